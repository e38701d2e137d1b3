import { join } from "node:path";
import { writePrivate } from "../state-file.ts";

/** What the archive may reach beyond the database. */
export interface ArchivePlaces {
  /** Directories of Parquet files. */
  readonly directories: readonly string[];
  /** `https://host:port`, or without a port for any; undefined where archives stay in directories. */
  readonly bucketsAt: string | undefined;
}

/** The role that may read and write files; a statement has it where all its files lie in the archive. */
export const filesRole = "files";

/** What an application does: tables, views, rows. Not here: dictionaries and functions, which run programs; backups; users; SHUTDOWN. */
const rights =
  "CHECK, SHOW, SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, CREATE TEMPORARY TABLE, DROP, UNDROP TABLE, TRUNCATE, OPTIMIZE, KILL QUERY, SYSTEM MERGES, SYSTEM FLUSH";

/** Engines whose data lies in the database itself. */
const engines = [
  ...["", "Replacing", "Aggregating", "Summing", "Collapsing", "VersionedCollapsing", "Coalescing"].map(
    (kind) => `${kind}MergeTree`,
  ),
  ...["Memory", "Null", "Log", "TinyLog", "StripeLog", "Set", "Join", "Buffer", "Merge", "Alias", "GenerateRandom"],
  ...["View", "MaterializedView", "Atomic"],
];

/** Settings that name a file, a disk or another language than SQL. */
const fixedSettings = [
  ...["format_schema", "output_format_schema", "format_schema_source", "format_template_row", "format_template_resultset"],
  ...[
    "dialect",
    "allow_experimental_eval_table_function",
    "merge_tree_disk",
    "merge_tree_table_disk",
    "merge_tree_storage_policy",
  ],
];

/** Writes the engine's configuration, which it reads at its start, and answers the argument that names it. */
export function configureEngine(dir: string, places: ArchivePlaces): string {
  const users = join(dir, "users.xml");
  const config = join(dir, "config.xml");
  writePrivate(users, usersXml(places));
  writePrivate(config, configXml(dir, { users, places }));
  return `--config-file=${config}`;
}

function usersXml({ bucketsAt }: ArchivePlaces): string {
  const s3 = bucketsAt === undefined ? [] : [`GRANT READ, WRITE ON S3('${escapeText(patternOf(bucketsAt))}')`];
  const grants = [
    `GRANT ${rights} ON *.*`,
    ...engines.map((name) => `GRANT TABLE ENGINE ON ${name}`),
    ...s3,
    `GRANT ${filesRole}`,
  ];
  return `<clickhouse>
  <roles><${filesRole}><grants><query>GRANT FILE ON *.*</query></grants></${filesRole}></roles>
  <users><default>
    <password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
    <grants>${grants.map((grant) => `<query>${escapeXml(grant)}</query>`).join("\n      ")}</grants>
  </default></users>
  <profiles><default><constraints>${fixedSettings.map((name) => `<${name}><readonly/></${name}>`).join("")}</constraints></default></profiles>
  <quotas><default/></quotas>
</clickhouse>
`;
}

function configXml(dir: string, { users, places }: { readonly users: string; readonly places: ArchivePlaces }): string {
  // An empty list would allow every host.
  const host = places.bucketsAt === undefined ? "none.invalid" : new URL(places.bucketsAt).host;
  return `<clickhouse>
  <users_config>${escapeXml(users)}</users_config>
  <user_scripts_path>${escapeXml(join(dir, "no-scripts"))}</user_scripts_path>
  <remote_url_allow_hosts><host>${escapeXml(host)}</host></remote_url_allow_hosts>
  <access_control_improvements>
    <enable_read_write_grants>true</enable_read_write_grants>
    <table_engines_require_grant>true</table_engines_require_grant>
  </access_control_improvements>
</clickhouse>
`;
}

/** The addresses of objects at a server, as an expression. */
function patternOf(url: string): string {
  const { origin, port } = new URL(url);
  return `^${escapePattern(origin)}${port === "" ? "(:[0-9]+)?" : ""}/.*`;
}

const escapePattern = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const escapeText = (text: string): string => text.replace(/[\\']/g, "\\$&");
const escapeXml = (text: string): string => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
