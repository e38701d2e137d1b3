import { createDirectoryStore } from "../archive/directory-store.ts";
import type { ArchiveDeps, ArchiveStore } from "../archive/port.ts";
import { createS3Store, type S3Options } from "../archive/s3-store.ts";
import { agreedTime } from "../core/agreed-time.ts";
import type { AppPlan } from "../plan/plan.ts";
import { rollupsOf } from "../plan/rollup.ts";
import type { DirtyMarks } from "../rollup/port.ts";
import { createArchiveTables } from "../sinks/clickhouse/archive-tables.ts";
import { createArchiveTexts } from "../sinks/clickhouse/archive-texts.ts";
import type { ClickHouse } from "../sinks/clickhouse/client.ts";
import { createRollupStore } from "../sinks/clickhouse/rollup-rows.ts";

/** Where archived days go: a directory, which ClickHouse sees under the same path, or a bucket. */
export type ArchiveAddress =
  | {
      readonly kind: "directory";
      /** Absolute, or relative to the working directory. */
      readonly path: string;
    }
  | ({ readonly kind: "s3" } & S3Options);

/** The archive of an application, over its ClickHouse and a store. */
export function openArchive(
  app: AppPlan,
  { clickhouse, marks, at }: { readonly clickhouse: ClickHouse; readonly marks: DirtyMarks; readonly at: ArchiveAddress },
): ArchiveDeps {
  const rollups = createRollupStore(clickhouse);
  const of = (table: string) => rollupsOf(app).filter(({ from }) => from.name === table);
  return {
    archives: app.archives,
    tables: (signal) => createArchiveTables(clickhouse, signal),
    store: openStore(at, clickhouse),
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

function openStore(at: ArchiveAddress, clickhouse: ClickHouse): ArchiveStore {
  switch (at.kind) {
    case "directory":
      return createDirectoryStore(at.path);
    case "s3":
      return createS3Store(at, createArchiveTexts(clickhouse));
    default:
      return at satisfies never;
  }
}
