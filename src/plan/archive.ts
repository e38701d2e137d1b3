import { days } from "../core/duration.ts";
import { ConfigError } from "../core/errors.ts";
import type { TablePlan } from "./table.ts";

/**
 * How a day of a table goes into the archive and comes back. The rows are at every moment in the table, beside it in a table of their own
 * that only one generation has (sealed), or in files that a manifest names; mostly in two of them.
 *
 *   seal ─▶ survey ─▶ export ─▶ verify ─▶ publish ─▶ recount ─▶ drop ─▶ record
 *   a claim  counted   files     read back  manifest   counted    moved aside, counted there, dropped
 */
export interface TableDay {
  /** The name of the table. */
  readonly table: string;
  /** `2026-11-27`, in UTC. */
  readonly day: string;
}

/** What of a day is archived at once: the rows that were there, and in the next generation those that came late. */
export interface Generation extends TableDay {
  /** From 1 on. */
  readonly generation: number;
}

/** One run of the saga: the files that it writes carry its name, and no other run touches them. */
export interface ArchiveRun extends Generation {
  /** Letters, digits and hyphens. */
  readonly run: string;
}

/** What rows are, apart from their order and their repeats. */
export interface Survey {
  /** How many. */
  readonly rows: number;
  /** The same for the same rows, in whatever order. Empty where there are none. */
  readonly hash: string;
  /** What the rows take up uncompressed, bytes: a text its length and 1. */
  readonly rawBytes: number;
  /** The first time, ISO 8601. */
  readonly from: string;
  /** The last time, ISO 8601. */
  readonly to: string;
  /** As the table had them. */
  readonly columns: readonly ArchivedColumn[];
  /** Rows by the hour of the day; all in the first where the table knows only days. */
  readonly hours: readonly number[];
}

/** A column in ClickHouse's own spelling, as the table had it when it was archived. */
export interface ArchivedColumn {
  /** Its name. */
  readonly name: string;
  /** Its type, such as `LowCardinality(String)`. */
  readonly type: string;
}

/** A Parquet file of the store, written once and never again. */
export interface ArchivedFile {
  /** Below the store. */
  readonly path: string;
  /** How many rows it holds. */
  readonly rows: number;
  /** Its size. */
  readonly bytes: number;
}

/** Where a file of the store is, for ClickHouse to read and write. */
export type Location =
  | { readonly kind: "file"; readonly path: string }
  /** Without keys the server uses its own credentials. */
  | { readonly kind: "s3"; readonly url: string; readonly keys: readonly [id: string, secret: string] | undefined };

/** What says that a generation is archived: it is written last, and all that it needs to be read again stands in it. */
export interface Manifest extends Generation, Survey {
  readonly kind: "headrace.archive";
  /** The form of the manifest itself. */
  readonly version: 1;
  /** When it was published, ISO 8601. */
  readonly at: string;
  /** Of all files together. */
  readonly bytes: number;
  /** What the rows are in. */
  readonly files: readonly ArchivedFile[];
}

/**
 * How far a generation is. `sealed`: it is being archived, and the rows are in the table. `dropping`: the rows leave the table, or have
 * left it. `hot`: given up, the rows are in the table. `archived`: in the archive alone. `restored`: in both. `replaced`: restored, and
 * archived again with all others that were in the table, as one generation; nothing of this one is kept.
 */
export type ArchiveState = "sealed" | "dropping" | "hot" | "archived" | "restored" | "replaced";

/** What a day takes up in its table, repeated rows among it. */
export interface StoredRows {
  readonly rows: number;
  /** As it is stored, compressed. */
  readonly bytes: number;
  readonly rawBytes: number;
}

/** A line of `headrace archive ls`. */
export interface ArchiveLine extends Generation {
  readonly rows: number;
  /** Compressed: of the files, or of what is only in the table, there. */
  readonly bytes: number;
  readonly rawBytes: number;
  readonly hash: string;
  readonly state: "hot" | "archived" | "restored";
}

/** What a claim has found. Only `sealed` goes on. */
export type Sealed =
  | {
      readonly kind: "sealed";
      /** The one that was claimed. */
      readonly generation: number;
    }
  | {
      readonly kind: "already archived";
      /** The newest that there is. */
      readonly generation: number;
    }
  | { readonly kind: "empty" };

/** What a long verb is given of its caller. */
export interface ArchiveCall {
  /** Aborts when nobody waits for the verb any more. */
  readonly signal: AbortSignal;
  /** Says that it is alive, and how far it is: what was said last is given to the next try as `resume`. */
  readonly beat: (progress?: unknown) => void;
  /** What the try before said last; undefined for a first try. */
  readonly resume?: unknown;
}

/** What the saga of the archive calls. Each verb stands repeats; each undo stands that its verb never came. */
export interface ArchiveVerbs {
  /** Claims a day for one generation: nobody else archives it. */
  seal(day: TableDay, call: ArchiveCall): Promise<Sealed>;
  /** Gives the claim up. */
  unseal(day: TableDay, call: ArchiveCall): Promise<void>;
  /** Counts the rows of the day. */
  survey(day: TableDay, call: ArchiveCall): Promise<Survey>;
  /** Writes the rows into files of the store. */
  export(run: ArchiveRun, survey: Survey, call: ArchiveCall): Promise<readonly ArchivedFile[]>;
  /** Removes the files of a run. */
  removeFiles(run: ArchiveRun, call: ArchiveCall): Promise<void>;
  /** Reads the files back, and compares what they hold with the survey. */
  verify(of: Generation, files: readonly ArchivedFile[], survey: Survey, call: ArchiveCall): Promise<void>;
  /** Writes the manifest: from then on the generation can be restored. */
  publish(manifest: Manifest, call: ArchiveCall): Promise<void>;
  /** Takes the manifest back. */
  withdraw(generation: Generation, call: ArchiveCall): Promise<void>;
  /** Brings the rollups of the day up to date, as long as its rows are there. */
  recount(day: TableDay, survey: Survey, call: ArchiveCall): Promise<void>;
  /** Moves the rows out of the table, counts them there, and drops them. */
  drop(generation: Generation, survey: Survey, call: ArchiveCall): Promise<void>;
  /** Moves the rows into the table again. */
  putBack(generation: Generation, call: ArchiveCall): Promise<void>;
  /** Notes that the generation is archived. */
  record(generation: Generation, survey: Survey, call: ArchiveCall): Promise<void>;
}

/** Where the states of generations are kept. */
export const archivesTable: TablePlan = {
  kind: "table",
  name: "headrace_archives",
  columns: [
    plain("table_name", { kind: "string" }),
    plain("day", { kind: "date" }),
    plain("generation", { kind: "int", bits: 32, signed: false }),
    plain("state", { kind: "string" }),
    plain("rows", { kind: "int", bits: 64, signed: false }),
    plain("hash", { kind: "string" }),
    plain("version", { kind: "int", bits: 64, signed: false }),
  ],
  engine: { kind: "replacingMergeTree", version: "version" },
  orderBy: ["table_name", "day", "generation"],
  partitionBy: undefined,
  ttl: undefined,
};

function plain(name: string, type: TablePlan["columns"][number]["type"]): TablePlan["columns"][number] {
  return { name, type, nullable: false, lowCardinality: false, fallback: undefined, codec: undefined };
}

/** Where a day begins, milliseconds since the epoch. `undefined` for what is no day. */
export function startOfDay(day: string): number | undefined {
  const start = /^\d{4}-\d\d-\d\d$/.test(day) ? Date.parse(`${day}T00:00:00.000Z`) : Number.NaN;
  return Number.isFinite(start) && new Date(start).toISOString().startsWith(day) ? start : undefined;
}

/** The day that a moment is in, by UTC. */
export const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** Throws unless a day can be archived: it must be one, and over. */
export function checkDay(day: string, now: number): void {
  const start = startOfDay(day);
  if (start === undefined) throw new ConfigError("usage", `'${day}' is not a day`, { hint: "Write it as 2026-11-27, by UTC." });
  if (start < 0)
    throw new ConfigError("usage", `the day ${day} is before 1970`, {
      hint: "A Date of ClickHouse, which names days, begins there.",
    });
  if (start + days(1) > now)
    throw new ConfigError("usage", `the day ${day} is not over`, {
      hint: `Only days before ${dayOf(now)} (UTC) are archived.`,
    });
}

/** Throws unless days of the table can be put away and brought back without changing what it shows. */
export function checkArchived({ name, engine, partitionBy }: TablePlan): void {
  const refuse = (message: string, hint: string) => {
    throw new ConfigError("config.invalid", `The table '${name}' cannot be archived: it ${message}`, { hint });
  };
  if (partitionBy?.unit !== "day") refuse("is not cut by day", 'Give it partitionBy: { unit: "day", column: … }.');
  // A restore that is repeated, and a late copy of a row that was archived, bring a row a second time.
  if (engine.kind !== "replacingMergeTree")
    refuse("keeps repeated rows", "Make it a replacingMergeTree, which counts a row once.");
}
