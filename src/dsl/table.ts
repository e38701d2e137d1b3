import { ConfigError } from "../core/errors.ts";
import { canBeVersion, isTime, natureOf } from "../plan/column-type.ts";
import type { ColumnPlan, EnginePlan, TablePlan } from "../plan/table.ts";
import { type Column, checkCodec, type Presence } from "./columns.ts";

/** Columns by their name. */
export type Columns = Readonly<Record<string, Column<unknown, Presence>>>;

/** The columns that a row may leave out. */
export type OptionalColumns<C extends Columns> = {
  [K in keyof C]: C[K] extends Column<unknown, "required"> ? never : K;
}[keyof C];
/** What a column takes. */
export type ColumnValue<Col> = Col extends Column<infer Value, Presence> ? Value : never;

/** The row that some columns make: columns that are nullable or have a default may be left out. */
export type RowOfColumns<C extends Columns> = RowHalves<C> extends infer Row ? { readonly [K in keyof Row]: Row[K] } : never;
/** A row as two halves: what it must have, and what it may leave out. */
export type RowHalves<C extends Columns> = { readonly [K in Exclude<keyof C, OptionalColumns<C>>]: ColumnValue<C[K]> } & {
  readonly [K in OptionalColumns<C>]?: ColumnValue<C[K]> | undefined;
};

/** A table that pipelines write rows of type `Row` into. */
export interface Table<in Row> {
  readonly kind: "table";
  /** The table as data. */
  readonly plan: TablePlan;
  /** Only a type; there is no such property. */
  readonly _row?: (row: Row) => void;
}

/**
 * The rows that a table takes.
 *
 * @example
 * ```ts
 * const row = (event_id: string): Partial<RowOf<typeof loginEvents>> => ({ event_id });
 * ```
 */
export type RowOf<T> = T extends Table<infer Row> ? Row : never;

/** What a table is made of. */
export interface TableOptions<C extends Columns> {
  /** Its columns by their names, in ClickHouse's order: `c.uuid()` and the like. */
  readonly columns: C;
  /**
   * `replacingMergeTree`: rows of one sorting key are one row in the end, so that repeats change nothing: the one with the highest
   * `version` holds, which has to grow with each change (the time of the event that made it). Without one it is the row that landed last,
   * and an insert of a worker that had stood still may land long after its successor's: so `headrace check` wants a version where the
   * sorting key holds neither a time nor an id (a uuid), or `unchanging: true`, which says that all rows of a key are the same.
   * `mergeTree` keeps repeats: results are then only at-least-once.
   * @default { kind: "replacingMergeTree" }
   */
  readonly engine?:
    | { readonly kind: "replacingMergeTree"; readonly version?: NoInfer<keyof C & string>; readonly unchanging?: true }
    | { readonly kind: "mergeTree" };
  /** The sorting key. For exact results it holds the event's id, and nothing that differs between two deliveries of one event. */
  readonly orderBy: readonly NoInfer<keyof C & string>[];
  /** Cuts the table by the UTC day or month of a column, which must be part of `orderBy`. @default not cut */
  readonly partitionBy?: {
    readonly unit: "day" | "month";
    // Spelled out, here and below: by a name, the compiler would print the name instead of the columns.
    readonly column: NoInfer<{ [K in keyof C & string]: [ColumnValue<C[K]>] extends [Date] ? K : never }[keyof C & string]>;
  };
  /** The compression codec of the columns that have none of their own, in ClickHouse's words. @default the server's: LZ4 */
  readonly codec?: string;
  /**
   * Rows are deleted this many days after the time in `column`; 1 to 36,500. ClickHouse reckons until 7 February 2106: what would be
   * deleted later is kept until then.
   * @default kept for ever
   */
  readonly ttl?: {
    readonly column: NoInfer<{ [K in keyof C & string]: [ColumnValue<C[K]>] extends [Date] ? K : never }[keyof C & string]>;
    readonly days: number;
  };
}

/**
 * Defines a table: the columns are the one source of its row type, its DDL and its encoder.
 *
 * @throws ConfigError `config.invalid` where the definition cannot work.
 * @example
 * const logins = defineTable("logins", {
 *   columns: { event_id: c.uuid(), user_id: c.string(), at: c.dateTime64(3), ip: c.string().default("") },
 *   orderBy: ["user_id", "at", "event_id"],
 *   partitionBy: { unit: "day", column: "at" },
 * });
 */
export function defineTable<const C extends Columns>(name: string, options: TableOptions<C>): Table<RowOfColumns<C>> {
  checkName("table", name);
  if (options.codec !== undefined) checkCodec(options.codec);
  const columns = Object.entries<Column<unknown, Presence>>(options.columns).map(([column, { draft }]): ColumnPlan => {
    checkName(`column of table '${name}'`, column);
    return { name: column, ...draft, codec: draft.codec ?? options.codec };
  });
  const engine: EnginePlan =
    options.engine?.kind === "mergeTree"
      ? { kind: "mergeTree" }
      : {
          kind: "replacingMergeTree",
          version: options.engine?.version,
          ...(options.engine?.unchanging && { unchanging: true }),
        };
  const plan: TablePlan = {
    kind: "table",
    name,
    columns,
    engine,
    orderBy: [...options.orderBy],
    partitionBy: options.partitionBy,
    ttl: options.ttl,
  };
  checkTable(plan);
  return { kind: "table", plan };
}

/** Throws unless a name can be used in SQL without thinking about quotes. */
export function checkName(what: string, name: string): void {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && name.length <= 128) return;
  throw new ConfigError("config.invalid", `'${name}' cannot be the name of a ${what}`, {
    hint: "Use letters, digits and underscores, not starting with a digit.",
  });
}

function checkTable(table: TablePlan): void {
  const refuse = (message: string, hint: string): never => {
    throw new ConfigError("config.invalid", `The table '${table.name}' ${message}`, { hint });
  };
  const find = (name: string, where: string): ColumnPlan =>
    table.columns.find((column) => column.name === name) ??
    refuse(`has no column '${name}', named in ${where}`, "Name a declared column.");
  const findDate = (name: string, where: string): void => {
    const { type, nullable } = find(name, where);
    if (nullable || !isTime(type)) {
      refuse(
        `names '${name}' in ${where}, which holds no dates, or may be null`,
        "Name a date, dateTime or dateTime64 column that is not nullable.",
      );
    }
  };

  if (table.columns.length === 0) refuse("has no columns", "Declare at least one column.");
  if (table.orderBy.length === 0) refuse("has an empty orderBy", "Sort it by what is asked for most, then by the event's id.");
  if (new Set(table.orderBy).size !== table.orderBy.length) refuse("names a column twice in orderBy", "Name each column once.");
  for (const name of table.orderBy) {
    const { nullable, type } = find(name, "orderBy");
    if (nullable)
      refuse(`has the nullable column '${name}' in orderBy`, "Give the column a default instead of making it nullable.");
    if (natureOf(type) === "list") refuse(`has the array column '${name}' in orderBy`, "Sort by single values.");
  }
  if (table.engine.kind === "replacingMergeTree" && table.engine.version !== undefined) {
    const { type, nullable } = find(table.engine.version, "engine.version");
    if (nullable || !canBeVersion(type))
      refuse(`cannot use '${table.engine.version}' as its version`, "Use an unsigned integer or a date that is not nullable.");
  }
  if (table.partitionBy !== undefined) {
    findDate(table.partitionBy.column, "partitionBy");
    if (table.engine.kind === "replacingMergeTree" && !table.orderBy.includes(table.partitionBy.column)) {
      refuse(
        `is cut by '${table.partitionBy.column}', which is not in orderBy`,
        "Add it to orderBy: rows are made one only within a partition, so the time must be part of what makes a row the same.",
      );
    }
  }
  if (table.ttl !== undefined) {
    findDate(table.ttl.column, "ttl");
    if (!Number.isInteger(table.ttl.days) || table.ttl.days < 1)
      refuse("has a ttl of less than a day", "Give whole days, from 1.");
    if (table.ttl.days > 36_500)
      refuse(
        "has a ttl of more than a hundred years",
        "Give at most 36500 days, or leave the ttl out: rows are then kept for ever.",
      );
  }
}
