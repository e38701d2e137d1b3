import { resolve } from "node:path";
import { ConfigError } from "../core/errors.ts";
import { type AddressForm, readAddress } from "../core/service-address.ts";
import type { KeepLogs } from "../host/clean-logs.ts";
import type { ArchiveAddress } from "../host/open-archive.ts";
import { readEnvironment } from "./environment.ts";
import type { ServiceLocation } from "./services.ts";

/** `HEADRACE_ARCHIVE`: a path, or `s3://bucket/prefix`; where it is not set, a directory beside the stack's own. */
export function archiveAt({ cwd, dir }: ServiceLocation): ArchiveAddress {
  const address = readEnvironment("HEADRACE_ARCHIVE") || resolve(cwd, dir, "archive");
  if (!/^[a-z0-9]+:\/\//i.test(address)) return { kind: "directory", path: resolve(cwd, address) };
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
  return {
    kind: "s3",
    address,
    endpoint: endpoint && readAddress(endpoint, endpointForm).href,
    region: setting("REGION"),
    keys: id && secret ? ([id, secret] as const) : undefined,
  };
}

const endpointForm: AddressForm = {
  service: "the archive",
  schemes: ["https", "http"],
  path: /^/,
  hasUser: false,
  hint: "HEADRACE_ARCHIVE_ENDPOINT looks like https://minio.example.com.",
};

/** `HEADRACE_DEAD_LETTER_DAYS` and `HEADRACE_ARCHIVE_DAYS`. */
export const keepLogs = (): KeepLogs => ({
  deadLetterDays: daysOf("HEADRACE_DEAD_LETTER_DAYS"),
  archiveDays: daysOf("HEADRACE_ARCHIVE_DAYS"),
});

/** Whole days; nothing where the variable is not set. */
function daysOf(variable: string): number | undefined {
  const text = process.env[variable];
  if (text === undefined || text === "") return undefined;
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text);
  throw new ConfigError("config.environment", `${variable} is '${text}'`, { hint: "Give whole days, from 1." });
}
