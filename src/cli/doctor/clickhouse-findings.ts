import type { TableObjectPlan } from "../../plan/table.ts";
import type { ClickHouse } from "../../sinks/clickhouse/client.ts";
import { planMigration } from "../../sinks/clickhouse/migrate.ts";
import { quoteText } from "../../sinks/clickhouse/quote.ts";
import { counted, type DoctorFinding } from "./finding.ts";

/** Older ones were never tried. */
const testedFrom = [24, 8] as const;
/** Each insert sets these: see sinks/clickhouse/client.ts. */
const needed = ["async_insert", "input_format_skip_unknown_fields", "optimize_on_insert"] as const;

/** What is wrong with ClickHouse, and where its tables differ from the definitions. */
export async function clickhouseFindings(
  clickhouse: ClickHouse,
  tables: readonly TableObjectPlan[],
): Promise<readonly DoctorFinding[]> {
  return [
    ...(await versionFindings(clickhouse)),
    ...(await settingFindings(clickhouse)),
    ...(await tableFindings(clickhouse, tables)),
    ...(await diskFindings(clickhouse, tables)),
  ];
}

async function versionFindings(clickhouse: ClickHouse): Promise<readonly DoctorFinding[]> {
  const [{ version } = { version: "" }] = await ask<{ version: string }>(clickhouse, "SELECT version() AS version");
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > testedFrom[0] || (major === testedFrom[0] && minor >= testedFrom[1])) return [];
  const what = `version ${version} is older than any that Headrace was tried with`;
  return [{ severity: "warning", where: "clickhouse", what, hint: `Use ${testedFrom.join(".")} or newer.` }];
}

async function settingFindings(clickhouse: ClickHouse): Promise<readonly DoctorFinding[]> {
  const names = [...needed, "deduplicate_insert", "insert_deduplicate", "readonly"].map((name) => `'${name}'`);
  const rows = await ask<{ name: string; value: string; locked: number }>(
    clickhouse,
    `SELECT name, toString(value) AS value, toUInt8(readonly) AS locked FROM system.settings WHERE name IN (${names.join()})`,
  );
  const settings = new Map(rows.map((row) => [row.name, row]));
  const findings: DoctorFinding[] = [];
  if ((settings.get("readonly")?.value ?? "0") !== "0") {
    const what = "this user may only read (readonly): every insert will be refused";
    findings.push({ severity: "error", where: "clickhouse", what, hint: "Set CLICKHOUSE_USER to one that may insert." });
  }
  const deduplication = settings.has("deduplicate_insert") ? "deduplicate_insert" : "insert_deduplicate";
  const locked = [...needed, deduplication].filter((name) => Number(settings.get(name)?.locked ?? 0) !== 0);
  if (locked.length > 0) {
    const what = `this user may not change ${locked.join(", ")}, which every insert sets: it will be refused`;
    findings.push({
      severity: "error",
      where: "clickhouse",
      what,
      hint: "Take the constraint out of the user's settings profile.",
    });
  }
  if (!settings.has("deduplicate_insert")) {
    const what = "it has no deduplicate_insert: inserts turn its deduplication off with insert_deduplicate";
    findings.push({ severity: "note", where: "clickhouse", what, hint: "Nothing is to be done; newer versions have it." });
  }
  return findings;
}

async function tableFindings(clickhouse: ClickHouse, tables: readonly TableObjectPlan[]): Promise<readonly DoctorFinding[]> {
  const steps = await planMigration(tables, clickhouse);
  return steps.map((step) => {
    const where = `clickhouse ${step.object}`;
    if (step.kind === "refused") return { severity: "error", where, what: step.summary, hint: step.hint };
    const isMissing = step.kind === "create" || step.kind === "createDatabase";
    const what = isMissing ? "it is not there" : `it differs from its definition: 'headrace migrate' would ${step.summary}`;
    return { severity: isMissing ? "error" : "warning", where, what, hint: "Run 'headrace migrate --apply'." };
  });
}

/** An insert that is answered is in the page cache of one machine, unless it is told to be on its disk or on others. */
async function diskFindings(clickhouse: ClickHouse, tables: readonly TableObjectPlan[]): Promise<readonly DoctorFinding[]> {
  const names = new Set(tables.map(({ name }) => name));
  const rows = await ask<{ name: string; full: string; fallback: string }>(
    clickhouse,
    `SELECT name, engine_full AS full, (SELECT any(value) FROM system.merge_tree_settings WHERE name = 'fsync_after_insert') AS fallback
     FROM system.tables WHERE database = ${quoteText(clickhouse.database)} AND match(engine, '^[A-Za-z]*MergeTree$')
     AND NOT match(engine, '^(Replicated|Shared)') ORDER BY name`,
  );
  const isOnDisk = ({ full, fallback }: (typeof rows)[number]) =>
    (/fsync_after_insert = (\d)/.exec(full)?.[1] ?? fallback) === "1";
  const loose = rows.filter((row) => names.has(row.name) && !isOnDisk(row)).map(({ name }) => name);
  if (loose.length === 0) return [];
  const what = `a crash of its machine (not of its process) can lose the last half a minute of ${counted(loose.length, "table")} whose events are settled: ${loose.join(", ")}`;
  const hint = `ALTER TABLE ${loose[0]} MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1 has each insert on disk before it is answered; replicas with insert_quorum have it on other machines. See docs/operations.md.`;
  return [{ severity: "note", where: "clickhouse", what, hint }];
}

/** Asked from the system database: the one that is named may not be there yet. */
async function ask<Row>(clickhouse: ClickHouse, sql: string): Promise<readonly Row[]> {
  const system = clickhouse.using("system");
  try {
    return await system.query<Row>(sql, { timeoutMs: 10_000 });
  } finally {
    await system.close();
  }
}
