import { ConfigError } from "../core/errors.ts";
import { type ColumnKind, type ColumnType, natureOf, type TypeOfKind, valueFault } from "../plan/column-type.ts";
import type { ColumnPlan } from "../plan/table.ts";

/** Whether a row may leave a column out. */
export type Presence = "required" | "optional";

/** What a column builder has gathered: the plan of a column that has no name yet. */
export type ColumnDraft = Omit<ColumnPlan, "name">;

/** A column of a table: its ClickHouse type, and through `Value` and `Needed` its place in the row's type. */
export interface Column<out Value, out Needed extends Presence> {
  readonly kind: "column";
  /** The column as data. */
  readonly draft: ColumnDraft;
  /** Carries the type parameter; there is no such value. */
  readonly _value?: Value;
  /** Carries the type parameter; there is no such value. */
  readonly _needed?: Needed;
}

/** A column with the modifiers that every type has. Each returns a new column. */
export interface ArrayColumn<out Value, out Needed extends Presence> extends Column<Value, Needed> {
  /** The value of rows that leave the column out, and of rows that are older than the column. */
  default(value: Value): ArrayColumn<Value, "optional">;
  /** A compression codec in ClickHouse's words, such as `ZSTD(1)` or `DoubleDelta, ZSTD(1)`. */
  codec(codec: string): ArrayColumn<Value, Needed>;
}

/** A column of single values, which may also be null. */
export interface ScalarColumn<out Value, out Needed extends Presence> extends Column<Value, Needed> {
  /** The column may be null; a row that leaves it out means null. */
  nullable(): ScalarColumn<Value | null, "optional">;
  /** The value of rows that leave the column out, and of rows that are older than the column. */
  default(value: Value): ScalarColumn<Value, "optional">;
  /** A compression codec in ClickHouse's words, such as `ZSTD(1)` or `DoubleDelta, ZSTD(1)`. */
  codec(codec: string): ScalarColumn<Value, Needed>;
}

/** A column of text. */
export interface StringColumn<out Value, out Needed extends Presence> extends Column<Value, Needed> {
  /** Stores each different value once: for fewer than about 10 000 of them. */
  lowCardinality(): StringColumn<Value, Needed>;
  /** The column may be null; a row that leaves it out means null. */
  nullable(): StringColumn<Value | null, "optional">;
  /** The value of rows that leave the column out, and of rows that are older than the column. */
  default(value: Value): StringColumn<Value, "optional">;
  /** A compression codec in ClickHouse's words, such as `ZSTD(1)`. */
  codec(codec: string): StringColumn<Value, Needed>;
}

/** Every modifier; the interfaces above show the ones that make sense, and `extend` refuses the rest for those who do not type-check. */
interface AnyColumn extends Column<never, never> {
  lowCardinality(): AnyColumn;
  nullable(): AnyColumn;
  default(value: unknown): AnyColumn;
  codec(codec: string): AnyColumn;
}

function column(draft: ColumnDraft): AnyColumn {
  const extend = (change: Partial<ColumnDraft>): AnyColumn => column(checked({ ...draft, ...change }));
  return Object.freeze({
    kind: "column" as const,
    draft: Object.freeze(draft),
    lowCardinality: () => extend({ lowCardinality: true }),
    nullable: () => extend({ nullable: true }),
    default: (value: unknown) => extend({ fallback: checkedFallback(draft, value) }),
    codec: (codec: string) => extend({ codec }),
  });
}

function checked(draft: ColumnDraft): ColumnDraft {
  if (draft.lowCardinality && natureOf(draft.type) !== "text") {
    throw invalid(`a column of type '${draft.type.kind}' cannot be lowCardinality()`, "Use lowCardinality() on c.string() only.");
  }
  if (draft.nullable && natureOf(draft.type) === "list") {
    throw invalid("an array column cannot be nullable()", "Use .default([]) instead.");
  }
  if (draft.codec !== undefined) checkCodec(draft.codec);
  return draft;
}

/** Throws unless a text can stand between the brackets of `CODEC(…)`. */
export function checkCodec(codec: string): void {
  if (/^[A-Za-z0-9_(), ]+$/.test(codec)) return;
  throw invalid(`'${codec}' is not a codec`, "Write it as ClickHouse does, such as ZSTD(1) or DoubleDelta, ZSTD(1).");
}

function checkedFallback(draft: ColumnDraft, value: unknown): unknown {
  if (value === undefined) throw invalid("a default cannot be undefined", "Use .nullable() for a column that may have no value.");
  const fault = value === null ? (draft.nullable ? undefined : "is null; call .nullable() first") : valueFault(draft.type, value);
  if (fault !== undefined)
    throw invalid(`the default of a column of type '${draft.type.kind}' ${fault}`, "Give it a value of the column.");
  return value;
}

const invalid = (message: string, hint: string): ConfigError => new ConfigError("config.invalid", message, { hint });

/** The one place where a column meets its type: everything below says which values it takes. */
const of = <Built>(type: ColumnType): Built =>
  column({ type, nullable: false, lowCardinality: false, fallback: undefined, codec: undefined }) as unknown as Built;

/** A column that every row must have. */
export type RequiredColumn<Value> = ScalarColumn<Value, "required">;

/** Each kind has a builder of its name; whole and other numbers have one a width. So the compiler asks for that of a new kind. */
type BuilderName =
  | Exclude<ColumnKind, "int" | "float">
  | `${"uint" | "int"}${TypeOfKind<"int">["bits"]}`
  | `float${TypeOfKind<"float">["bits"]}`;
type Builders = Readonly<Record<BuilderName, (...given: never) => Column<unknown, Presence>>>;

const int = <Value>(bits: 8 | 16 | 32 | 64, signed: boolean): RequiredColumn<Value> => of({ kind: "int", bits, signed });

/**
 * The column types of ClickHouse that a table can have. Times are UTC.
 * Values are checked when they are encoded; a row with a value that does not fit is dead-lettered by itself.
 *
 * @example
 * const columns = { event_id: c.uuid(), ip: c.string().lowCardinality().default(""), at: c.dateTime64(3) };
 */
export const c = {
  /** A UUID as text, in either case. */
  uuid: (): RequiredColumn<string> => of({ kind: "uuid" }),
  /** Text in UTF-8; half of a surrogate pair becomes U+FFFD. */
  string: (): StringColumn<string, "required"> => of({ kind: "string" }),
  bool: (): RequiredColumn<boolean> => of({ kind: "bool" }),
  uint8: () => int<number>(8, false),
  uint16: () => int<number>(16, false),
  uint32: () => int<number>(32, false),
  /** A number up to 2^53, or a bigint. */
  uint64: () => int<number | bigint>(64, false),
  int8: () => int<number>(8, true),
  int16: () => int<number>(16, true),
  int32: () => int<number>(32, true),
  /** A number from -2^53 to 2^53, or a bigint. */
  int64: () => int<number | bigint>(64, true),
  /** A finite number, rounded to 32 bits. */
  float32: (): RequiredColumn<number> => of({ kind: "float", bits: 32 }),
  /** A finite number. */
  float64: (): RequiredColumn<number> => of({ kind: "float", bits: 64 }),
  /** The UTC day of a Date, 1970 to 2149. */
  date: (): RequiredColumn<Date> => of({ kind: "date" }),
  /** A Date to the second, 1970 to 2106. */
  dateTime: (): RequiredColumn<Date> => of({ kind: "dateTime" }),
  /** A Date with `precision` decimals of a second, 0 to 9, 1900 to 2299 (2262 with 9). Smaller precisions round down. */
  dateTime64: (precision: number): RequiredColumn<Date> => {
    if (!Number.isInteger(precision) || precision < 0 || precision > 9) {
      throw invalid(`dateTime64(${precision}): the precision is not from 0 to 9`, "Use 0 to 9 decimals; 3 keeps all of a Date.");
    }
    return of({ kind: "dateTime64", precision });
  },
  /** One of some names, stored as a number. New names go to the end: their numbers follow their order. */
  enum: <const Name extends string>(values: readonly Name[]): RequiredColumn<Name> => {
    if (values.length === 0 || new Set(values).size !== values.length || values.length > 32_000) {
      throw invalid("an enum needs between 1 and 32000 different names", "List each name once.");
    }
    return of({ kind: "enum", values: [...values] });
  },
  array: <Value>(element: Column<Value, "required">): ArrayColumn<readonly Value[], "required"> => {
    const { type, nullable, lowCardinality, fallback, codec } = element.draft;
    if (nullable || lowCardinality || fallback !== undefined || codec !== undefined) {
      throw invalid("the element of an array cannot have modifiers", "Put default() and codec() on the array.");
    }
    return of({ kind: "array", of: type });
  },
} as const satisfies Builders;
