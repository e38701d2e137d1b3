import { timeColumn } from "../../archive/archived-day.ts";
import type { ArchiveTables } from "../../archive/port.ts";
import type { Clock } from "../../core/clock.ts";
import { exactJson } from "../../core/exact-json.ts";
import { getOrMake } from "../../core/get-or-make.ts";
import { uuidOf } from "../../core/hash.ts";
import {
  type ArchivedColumn,
  type ArchiveState,
  archivesTable,
  dayOf,
  type Generation,
  type Location,
  type Survey,
} from "../../plan/archive.ts";
import { natureOf } from "../../plan/column-type.ts";
import type { TablePlan } from "../../plan/table.ts";
import { createMemorySink, type MemorySink } from "../../sinks/memory.ts";
import { fileAt, type MemoryFile, type TableRow } from "./memory-archive-store.ts";

export interface MemoryTablesOptions {
  readonly archives: readonly TablePlan[];
  readonly clock: Clock;
  /** The rows of tables, by name: those of the pipelines, and here those that lie aside. */
  readonly tables: Map<string, MemorySink>;
  readonly content: Map<string, MemoryFile>;
}

/** What the archive asks of ClickHouse, asked of tables in memory. */
export function createMemoryTables({ archives, clock, tables, content }: MemoryTablesOptions): ArchiveTables {
  const plans = new Map(archives.map((plan) => [plan.name, plan]));
  const states = new Map<string, Generation & { readonly state: ArchiveState }>();

  const planOf = (name: string): TablePlan => {
    const plan = plans.get(name);
    if (plan) return plan;
    throw new ReferenceError(`there is no table '${name}'`);
  };
  const sinkOf = (name: string): MemorySink => getOrMake(tables, name, () => createMemorySink({ clock, table: planOf(name) }));
  const dayIn = (name: string, row: TableRow) => dayOf(timeIn(row, timeColumn(planOf(name))).getTime());
  const rowsOn = (name: string, day: string) => sinkOf(name).rows.filter((row) => dayIn(name, row) === day);
  const rowsAt = (locations: readonly Location[]) => locations.flatMap((location) => fileAt(content, location).rows);

  return {
    tablesLike: async (prefix) => [...plans.keys()].filter((name) => name.startsWith(prefix)).toSorted(),
    hasTable: async (name) => plans.has(name),
    columns: async (name) => planOf(name).columns.map(({ name: column, type }) => ({ name: column, type: natureOf(type) })),
    storedRows: async (name, day) => {
      const days = new Set(sinkOf(name).rows.map((row) => dayIn(name, row)));
      return new Map(
        [...days]
          .filter((one) => day === undefined || one === day)
          .toSorted()
          .map((one) => {
            const rows = rowsOn(name, one);
            return [one, { rows: rows.length, bytes: sizeOf(rows), rawBytes: sizeOf(rows) }];
          }),
      );
    },
    surveyDay: async (name, day, columns, time) => surveyOf(rowsOn(name, day), columns, time),
    surveyFiles: async (locations, columns, time) => surveyOf(rowsAt(locations), columns, time),
    fileColumns: async (location) => fileAt(content, location).columns,
    writeFile: async (location, { name, day, columns, time, hours: [from, to] }) => {
      const isMeant = (row: TableRow) => hourIn(row, time) >= from && hourIn(row, time) <= to;
      const rows = rowsOn(name, day).filter(isMeant);
      if (location.kind === "file") content.set(location.path, { columns: columns.map((one) => one.name), rows });
    },
    measureFile: async (location) => {
      const { rows } = fileAt(content, location);
      return { rows: rows.length, bytes: sizeOf(rows) };
    },
    load: async (name, locations) => {
      await sinkOf(name).write(rowsAt(locations), 0);
    },
    createLike: async (name, like) => void plans.set(name, planOf(like)),
    move: async (from, to, { day }) =>
      void (await sinkOf(to).write(
        sinkOf(from).take((row) => dayIn(from, row) === day),
        0,
      )),
    attach: async (to, from, { day }) => void (await sinkOf(to).write(rowsOn(from, day), 0)),
    drop: async (name) => {
      plans.delete(name);
      tables.delete(name);
    },
    rename: async (from, to) => {
      const plan = plans.get(from);
      if (!plan) return false;
      plans.set(to, plan);
      tables.set(to, sinkOf(from));
      plans.delete(from);
      tables.delete(from);
      return true;
    },
    states: async ({ table, day }) =>
      [...states.values()]
        .filter((one) => one.table === table && (day === undefined || one.day === day))
        .toSorted((a, b) => a.day.localeCompare(b.day) || a.generation - b.generation),
    setState: async ({ table, day, generation }, state) =>
      void states.set(`${table} ${day} ${generation}`, { table, day, generation, state }),
    prepare: async () => void plans.set(archivesTable.name, archivesTable),
  };
}

const timeIn = (row: TableRow, column: string): Date => row[column] as Date;

/** All in the first where the table knows only days. */
const hourIn = (row: TableRow, { name, type }: ArchivedColumn): number =>
  type === "moment" ? timeIn(row, name).getUTCHours() : 0;

const sizeOf = (rows: readonly TableRow[]): number => rows.reduce((sum, row) => sum + exactJson(row).length, 0);

function surveyOf(rows: readonly TableRow[], columns: readonly ArchivedColumn[], time: string): Survey {
  const column = columns.find(({ name }) => name === time) ?? { name: time, type: "day" };
  const texts = rows.map((row) => exactJson(columns.map(({ name }) => row[name]))).toSorted();
  const times = rows.map((row) => timeIn(row, time).getTime());
  const hours = Array.from({ length: 24 }, (_, hour) => rows.filter((row) => hourIn(row, column) === hour).length);
  const iso = (ms: number) => (Number.isFinite(ms) ? new Date(ms).toISOString() : "");
  return {
    rows: rows.length,
    hash: rows.length === 0 ? "" : uuidOf(texts.join("\n")),
    rawBytes: sizeOf(rows),
    from: iso(times.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)),
    to: iso(times.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)),
    columns,
    hours,
  };
}
