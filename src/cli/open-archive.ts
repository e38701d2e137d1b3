import { resolve } from "node:path";
import { createDirectoryStore } from "../archive/directory-store.ts";
import type { ArchiveDeps, ArchiveStore } from "../archive/port.ts";
import { createS3Store } from "../archive/s3-store.ts";
import { agreedTime } from "../core/agreed-time.ts";
import { ConfigError } from "../core/errors.ts";
import { type AddressForm, readAddress } from "../core/service-address.ts";
import type { AppPlan } from "../plan/plan.ts";
import { rollupsOf } from "../plan/rollup.ts";
import type { Marks } from "../rollup/port.ts";
import { createArchiveTables } from "../sinks/clickhouse/archive-tables.ts";
import { createArchiveTexts } from "../sinks/clickhouse/archive-texts.ts";
import type { ClickHouse } from "../sinks/clickhouse/client.ts";
import { createRollupStore } from "../sinks/clickhouse/rollup-rows.ts";
import { readEnvironment } from "./environment.ts";
import type { Whereabouts } from "./services.ts";

/** The archive of an application, over its ClickHouse and the store that the environment names. */
export function openArchive(
  app: AppPlan,
  { clickhouse, marks, where }: { readonly clickhouse: ClickHouse; readonly marks: Marks; readonly where: Whereabouts },
): ArchiveDeps {
  const rollups = createRollupStore(clickhouse);
  const of = (table: string) => rollupsOf(app).filter(({ from }) => from.name === table);
  return {
    archives: app.archives,
    tables: (signal) => createArchiveTables(clickhouse, signal),
    store: openArchiveStore(clickhouse, where),
    counters: {
      settle: async (table, day, from) => {
        for (const rollup of of(table.name)) await rollups.settle(rollup, day, from);
      },
      touched: async (table, day) => {
        for (const rollup of of(table.name)) await marks.mark(rollup.name, await rollups.bucketsOn(rollup, day));
      },
    },
    now: async () => agreedTime("ClickHouse", await clickhouse.time()),
  };
}

/** `HEADRACE_ARCHIVE`: a path, or `s3://bucket/prefix`; where it is not set, a directory beside the stack's own. */
function openArchiveStore(clickhouse: ClickHouse, { cwd, dir }: Whereabouts): ArchiveStore {
  const address = readEnvironment("HEADRACE_ARCHIVE") || resolve(cwd, dir, "archive");
  if (!/^[a-z0-9]+:\/\//i.test(address)) return createDirectoryStore(resolve(cwd, address));
  const setting = (name: string) => readEnvironment(`HEADRACE_ARCHIVE_${name}`) || undefined;
  const [id, secret] = [setting("ACCESS_KEY_ID"), setting("SECRET_ACCESS_KEY")];
  if ((id === undefined) !== (secret === undefined)) {
    throw new ConfigError(
      "config.environment",
      `of HEADRACE_ARCHIVE_ACCESS_KEY_ID and HEADRACE_ARCHIVE_SECRET_ACCESS_KEY only the ${id ? "first" : "second"} is set`,
      { hint: "Set both, or neither: then ClickHouse takes its own." },
    );
  }
  const endpoint = setting("ENDPOINT");
  const options = {
    address,
    endpoint: endpoint && readAddress(endpoint, endpointForm).href,
    region: setting("REGION"),
    keys: id && secret ? ([id, secret] as const) : undefined,
  };
  return createS3Store(options, createArchiveTexts(clickhouse));
}

const endpointForm: AddressForm = {
  service: "the archive",
  schemes: ["https", "http"],
  path: /^/,
  hasUser: false,
  hint: "HEADRACE_ARCHIVE_ENDPOINT looks like https://minio.example.com.",
};
