import { type Clock, systemClock } from "../core/clock.ts";
import { ConfigError, type HeadraceError } from "../core/errors.ts";
import { exactJson } from "../core/exact-json.ts";
import { columnFault } from "../plan/column-fault.ts";
import type { TablePlan } from "../plan/table.ts";
import type { Rejected, Sink } from "./port.ts";

export interface MemorySinkOptions {
  /** Rows are checked against its columns, left-out columns are filled in, and rows of one sorting key are one row, as in the table. */
  readonly table?: TablePlan;
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
}

export interface MemorySink extends Sink {
  /** What is there now, in the order in which keys were first written. */
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  /** Removes rows, and gives them. */
  take(isMeant: (row: Readonly<Record<string, unknown>>) => boolean): readonly Readonly<Record<string, unknown>>[];
  /** From now on, rows for which this returns a reason are rejected with it. */
  rejectRows(reasonOf: (row: Readonly<Record<string, unknown>>) => string | undefined): void;
  /** The next `times` tries fail, as if the target were away; they are repeated. */
  failNext(times: number): void;
  /** From now on every write rejects with this error, as when the target is set up wrongly, or was waited for too long. */
  stopWith(error: HeadraceError | undefined): void;
}

const retryAfterMs = 5;

/** The in-memory twin of a sink: the same promises, for `testPipeline` and for tests of the engine. */
export function createMemorySink(options: MemorySinkOptions = {}): MemorySink {
  const { table, signal, clock = systemClock } = options;
  const kept = new Map<unknown, Readonly<Record<string, unknown>>>();
  const writes = new Set<Promise<unknown>>();
  let inFlightRows = 0;
  let failures = 0;
  let written = 0;
  let closing = false;
  let stop: HeadraceError | undefined;
  let refuse: (row: Readonly<Record<string, unknown>>) => string | undefined = () => undefined;

  return {
    write(rows) {
      if (closing)
        return Promise.reject(
          new ConfigError("usage", "the sink is closed", { hint: "Close a sink when its last writer is done." }),
        );
      inFlightRows += rows.length;
      const result = store(rows as readonly Readonly<Record<string, unknown>>[]).finally(() => {
        inFlightRows -= rows.length;
        writes.delete(result);
      });
      writes.add(result);
      return result;
    },
    get inFlightRows() {
      return inFlightRows;
    },
    get rows() {
      return [...kept.values()];
    },
    take(isMeant) {
      const meant = [...kept].filter(([, row]) => isMeant(row));
      for (const [key] of meant) kept.delete(key);
      return meant.map(([, row]) => row);
    },
    async close() {
      closing = true;
      await Promise.allSettled(writes);
    },
    rejectRows: (reasonOf) => {
      refuse = reasonOf;
    },
    failNext: (times) => {
      failures = times;
    },
    stopWith: (error) => {
      stop = error;
    },
  };

  async function store(rows: readonly Readonly<Record<string, unknown>>[]): Promise<{ readonly rejected: readonly Rejected[] }> {
    signal?.throwIfAborted();
    while (failures > 0) {
      failures -= 1;
      await clock.sleep(retryAfterMs, signal);
      signal?.throwIfAborted();
    }
    if (stop !== undefined) throw stop;
    const rejected: Rejected[] = [];
    rows.forEach((row, index) => {
      const reason = faultOf(row) ?? refuse(row);
      if (reason !== undefined) rejected.push({ row: index, reason });
      else keep(table === undefined ? row : filledIn(table, row));
    });
    return { rejected };
  }

  function faultOf(row: Readonly<Record<string, unknown>>): string | undefined {
    for (const column of table?.columns ?? []) {
      const fault = columnFault(column, row?.[column.name]);
      if (fault !== undefined) return `${column.name} ${fault}`;
    }
    return undefined;
  }

  /** Rows of a table that replaces are one row a sorting key; all others stay apart. */
  function keep(row: Readonly<Record<string, unknown>>): void {
    if (table === undefined || table.engine.kind === "mergeTree") {
      kept.set(written++, row);
      return;
    }
    const key = exactJson(table.orderBy.map((name) => row[name]));
    const { version } = table.engine;
    const before = kept.get(key);
    if (version !== undefined && before !== undefined && (before[version] as number) > (row[version] as number)) return;
    kept.set(key, row);
  }
}

/** The row as the table holds it. */
const filledIn = (table: TablePlan, row: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(table.columns.map(({ name, fallback }) => [name, row[name] ?? fallback ?? null]));
