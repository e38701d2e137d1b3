import type { ColumnKind, ColumnType, TypeOfKind } from "../../plan/column-type.ts";
import type { WriteCells } from "./native/cells.ts";
import { writeDates, writeDateTime64s, writeDateTimes } from "./native/dates.ts";
import { fixed, type Layout } from "./native/layout.ts";
import { writeBooleans, writeEnums, writeFloats, writeIntegers, writeLongs } from "./native/numbers.ts";
import { writeTexts, writeUuids } from "./native/texts.ts";
import { writeArrays } from "./native/wrappers.ts";
import { quoteText } from "./quote.ts";

/** What a kind of column is to ClickHouse. */
interface ClickHouseDescriptor<Type> {
  /** The type in ClickHouse's own spelling, as `system.columns` shows it. */
  readonly name: (type: Type) => string;
  /** How its cells lie in a block, and what writes them there. */
  readonly layout: (type: Type) => Layout;
  readonly write: (type: Type) => WriteCells;
  /** A value that fits, as SQL writes it. */
  readonly literal: (type: Type, value: never) => string;
  /** What a state of an aggregate holds in its stead. @default the type itself */
  readonly heldAs?: ColumnType;
}

/** One entry a kind. What a kind is to everyone else stands in `plan/column-type.ts`. */
const descriptors: { readonly [Kind in ColumnKind]: ClickHouseDescriptor<TypeOfKind<Kind>> } = {
  uuid: {
    name: () => "UUID",
    layout: () => fixed(16),
    write: () => writeUuids,
    literal: (_, value: string) => `toUUID(${quoteText(value)})`,
  },
  string: {
    name: () => "String",
    layout: () => ({ kind: "texts" }),
    write: () => writeTexts,
    literal: (_, value: string) => quoteText(value),
  },
  bool: {
    name: () => "Bool",
    layout: () => fixed(1),
    write: () => writeBooleans,
    literal: (_, value: boolean) => String(value),
  },
  int: {
    name: ({ bits, signed }) => `${signed ? "Int" : "UInt"}${bits}`,
    layout: ({ bits }) => fixed(bits / 8),
    write: ({ bits, signed }) =>
      bits === 64
        ? (writer, cells, onFault) => writeLongs(writer, cells, signed, onFault)
        : (writer, cells, onFault) => writeIntegers(writer, cells, { bits, signed }, onFault),
    literal: (_, value: number | bigint) => String(value),
  },
  float: {
    name: ({ bits }) => `Float${bits}`,
    layout: ({ bits }) => fixed(bits / 8),
    write:
      ({ bits }) =>
      (writer, cells, onFault) =>
        writeFloats(writer, cells, bits, onFault),
    // Whole, it would be an integer, and those have one zero.
    literal: (_, value: number) => (Object.is(value, -0) ? "-0.0" : String(value)),
  },
  date: {
    name: () => "Date",
    layout: () => fixed(2),
    write: () => writeDates,
    literal: (_, value: Date) => `toDate(${quoteText(value.toISOString().slice(0, 10))})`,
  },
  dateTime: {
    name: () => "DateTime('UTC')",
    layout: () => fixed(4),
    write: () => writeDateTimes,
    literal: (_, value: Date) => `toDateTime(${quoteText(isoTime(value).slice(0, 19))}, 'UTC')`,
  },
  dateTime64: {
    name: ({ precision }) => `DateTime64(${precision}, 'UTC')`,
    layout: () => fixed(8),
    write:
      ({ precision }) =>
      (writer, cells, onFault) =>
        writeDateTime64s(writer, cells, precision, onFault),
    literal: ({ precision }, value: Date) => `toDateTime64(${quoteText(isoTime(value))}, ${precision}, 'UTC')`,
  },
  enum: {
    name: ({ values }) => `Enum${enumBits(values)}(${values.map((value, i) => `${quoteText(value)} = ${i + 1}`).join(", ")})`,
    layout: ({ values }) => fixed(enumBits(values) / 8),
    write: ({ values }) => {
      const names = { numbers: new Map<unknown, number>(values.map((value, i) => [value, i + 1])), bits: enumBits(values) };
      return (writer, cells, onFault) => writeEnums(writer, cells, names, onFault);
    },
    literal: (_, value: string) => quoteText(value),
    // So that new names can be added to it: the type of a state cannot be altered.
    heldAs: { kind: "string" },
  },
  array: {
    name: ({ of }) => `Array(${typeName(of)})`,
    layout: ({ of }) => ({ kind: "arrays", of: layoutOf(of) }),
    write: ({ of }) => writeArrays(writerOf(of)),
    literal: ({ of }, value: readonly unknown[]) => `[${value.map((element) => literal(of, element)).join(", ")}]`,
  },
};

const enumBits = (values: readonly string[]): 8 | 16 => (values.length > 127 ? 16 : 8);
const isoTime = (date: Date): string => date.toISOString().replace("T", " ").replace("Z", "");

// The descriptor of a type takes types of its kind: the compiler cannot tell that the two belong together.
const descriptorOf = (type: ColumnType): ClickHouseDescriptor<ColumnType> =>
  descriptors[type.kind] as ClickHouseDescriptor<ColumnType>;

/** The name of a bare type, in ClickHouse's own spelling. */
export const typeName = (type: ColumnType): string => descriptorOf(type).name(type);

/** How the cells of a bare type lie in a block. */
export const layoutOf = (type: ColumnType): Layout => descriptorOf(type).layout(type);

/** What writes the cells of a bare type. */
export const writerOf = (type: ColumnType): WriteCells => descriptorOf(type).write(type);

/** A value of a column as SQL writes it. */
export const literal = (type: ColumnType, value: unknown): string => descriptorOf(type).literal(type, value as never);

/** What a state of an aggregate of such values holds: an enum as text. */
export const heldAs = (type: ColumnType): ColumnType => descriptorOf(type).heldAs ?? type;

/** Whether migrations may change the type of a column in place, as when an enum gets more names. */
export const mayGrow = (type: ColumnType): boolean => descriptorOf(type).heldAs !== undefined;
