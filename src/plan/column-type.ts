import {
  arrayFault,
  booleanFault,
  dateFault,
  dateLimits,
  enumFault,
  floatFault,
  integerFault,
  textFault,
  uuidFault,
} from "./value-faults.ts";

/** A column's type, apart from nullability and dictionary encoding. */
export type ColumnType =
  | { readonly kind: "uuid" }
  | { readonly kind: "string" }
  | { readonly kind: "bool" }
  | { readonly kind: "int"; readonly bits: 8 | 16 | 32 | 64; readonly signed: boolean }
  | { readonly kind: "float"; readonly bits: 32 | 64 }
  | { readonly kind: "date" }
  | { readonly kind: "dateTime" }
  /** `precision` is the number of decimals of a second, 0 to 9; always UTC. */
  | { readonly kind: "dateTime64"; readonly precision: number }
  | { readonly kind: "enum"; readonly values: readonly string[] }
  | { readonly kind: "array"; readonly of: ColumnType };

export type ColumnKind = ColumnType["kind"];
export type TypeOfKind<Kind extends ColumnKind> = Extract<ColumnType, { readonly kind: Kind }>;

/** What a kind of column is, to everyone but the sink that writes it. */
type KindDescriptor<Type> = {
  /** Whether it may say which of two rows of one key is the newer one. */
  readonly canBeVersion: (type: Type) => boolean;
  /** A value of it, for where one is needed that says nothing. */
  readonly zero: (type: Type) => unknown;
  /** Why a value that is neither null nor undefined does not fit, or `undefined` where it does. */
  readonly fault: (type: Type, value: unknown) => string | undefined;
} & (
  | { readonly nature: "number"; readonly sum: (type: Type) => ColumnType }
  /** `id`: names one thing of its own; `day` and `moment`: times; `list`: holds several values. */
  | { readonly nature: "text" | "id" | "name" | "truth" | "day" | "moment" | "list" }
);

const never = () => false;
const always = () => true;
const epoch = () => new Date(0);

/** One entry a kind. How ClickHouse names, writes and stores it stands in `sinks/clickhouse/column-kinds.ts`. */
const descriptors: { readonly [Kind in ColumnKind]: KindDescriptor<TypeOfKind<Kind>> } = {
  uuid: {
    nature: "id",
    canBeVersion: never,
    zero: () => "00000000-0000-0000-0000-000000000000",
    fault: (_, value) => uuidFault(value),
  },
  string: { nature: "text", canBeVersion: never, zero: () => "", fault: (_, value) => textFault(value) },
  bool: { nature: "truth", canBeVersion: never, zero: () => false, fault: (_, value) => booleanFault(value) },
  int: {
    nature: "number",
    canBeVersion: ({ signed }) => !signed,
    zero: () => 0,
    sum: ({ signed }) => ({ kind: "int", bits: 64, signed }),
    fault: ({ bits, signed }, value) => integerFault(bits, signed, value),
  },
  float: {
    nature: "number",
    canBeVersion: never,
    zero: () => 0,
    sum: () => ({ kind: "float", bits: 64 }),
    fault: ({ bits }, value) => floatFault(bits, value),
  },
  date: { nature: "day", canBeVersion: always, zero: epoch, fault: (_, value) => dateFault(dateLimits.date, value) },
  dateTime: { nature: "moment", canBeVersion: always, zero: epoch, fault: (_, value) => dateFault(dateLimits.dateTime, value) },
  dateTime64: {
    nature: "moment",
    canBeVersion: always,
    zero: epoch,
    fault: ({ precision }, value) => dateFault(precision === 9 ? dateLimits.dateTime64Nanos : dateLimits.dateTime64, value),
  },
  enum: {
    nature: "name",
    canBeVersion: never,
    zero: ({ values }) => values[0],
    fault: ({ values }, value) => enumFault(values, value),
  },
  array: {
    nature: "list",
    canBeVersion: never,
    zero: () => [],
    fault: ({ of }, value) => arrayFault(value, (element) => valueFault(of, element)),
  },
};

// The descriptor of a type takes types of its kind: the compiler cannot tell that the two belong together.
const descriptorOf = (type: ColumnType): KindDescriptor<ColumnType> => descriptors[type.kind] as KindDescriptor<ColumnType>;

/** What its values are to whoever sorts, groups, counts or ages by them. */
export const natureOf = (type: ColumnType): KindDescriptor<ColumnType>["nature"] => descriptorOf(type).nature;

/** Whether its values are times: days, or moments of them. */
export const isTime = (type: ColumnType): boolean => ["day", "moment"].includes(natureOf(type));

/** The type of a sum of its values; `undefined` where they are no numbers. */
export function sumOf(type: ColumnType): ColumnType | undefined {
  const descriptor = descriptorOf(type);
  return descriptor.nature === "number" ? descriptor.sum(type) : undefined;
}

/** Whether it may say which of two rows of one key is the newer one. */
export const canBeVersion = (type: ColumnType): boolean => descriptorOf(type).canBeVersion(type);

/** A value of it, for where one is needed that says nothing. */
export const zeroOf = (type: ColumnType): unknown => descriptorOf(type).zero(type);

/** Why a value that is neither null nor undefined does not fit a type, or `undefined` where it does. */
export const valueFault = (type: ColumnType, value: unknown): string | undefined => descriptorOf(type).fault(type, value);
