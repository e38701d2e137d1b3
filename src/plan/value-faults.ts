/**
 * Why a value does not fit a kind of column, one function a kind; `undefined` where it does. A reason names the rule and never the value:
 * reasons are counted by their text, and values may be personal data.
 */

/** The first and last day of `Date`, and the first and last second of `DateTime` and `DateTime64`, milliseconds since the epoch. */
export const dateLimits = {
  date: { min: 0, max: Date.UTC(2149, 5, 6, 23, 59, 59, 999) },
  dateTime: { min: 0, max: 4_294_967_295_999 },
  dateTime64: { min: Date.UTC(1900, 0, 1), max: Date.UTC(2299, 11, 31, 23, 59, 59, 999) },
  /** Nanoseconds in 64 bits end earlier: 2262-04-11. */
  dateTime64Nanos: { min: Date.UTC(1900, 0, 1), max: 9_223_372_036_854 },
} as const;

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export const textFault = (value: unknown): string | undefined =>
  typeof value === "string" ? undefined : wanted("a string", value);

export const booleanFault = (value: unknown): string | undefined =>
  typeof value === "boolean" ? undefined : wanted("a boolean", value);

export function uuidFault(value: unknown): string | undefined {
  if (typeof value !== "string") return wanted("a UUID", value);
  return uuid.test(value) ? undefined : "is not a UUID";
}

export function enumFault(names: readonly string[], value: unknown): string | undefined {
  if (typeof value !== "string") return wanted("one of the enum's names", value);
  return names.includes(value) ? undefined : "is not one of the enum's names";
}

export function integerFault(bits: 8 | 16 | 32 | 64, signed: boolean, value: unknown): string | undefined {
  const name = `${signed ? "Int" : "UInt"}${bits}`;
  if (typeof value === "bigint" && bits === 64) {
    const fitting = signed ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value);
    return fitting === value ? undefined : `is out of the range of ${name}`;
  }
  if (typeof value !== "number") return wanted(bits === 64 ? "a whole number or a bigint" : "a whole number", value);
  if (!Number.isInteger(value)) return "is not a whole number";
  if (bits === 64) {
    if (!Number.isSafeInteger(value)) return "is a number beyond 2^53: pass it as a bigint";
    return signed || value >= 0 ? undefined : `is out of the range of ${name}`;
  }
  const min = signed ? -(2 ** (bits - 1)) : 0;
  const max = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
  return value >= min && value <= max ? undefined : `is out of the range of ${name}`;
}

export function floatFault(bits: 32 | 64, value: unknown): string | undefined {
  if (typeof value !== "number") return wanted("a number", value);
  if (!Number.isFinite(value)) return "is not a finite number";
  return bits === 64 || Number.isFinite(Math.fround(value)) ? undefined : "is out of the range of Float32";
}

export function dateFault(limits: { readonly min: number; readonly max: number }, value: unknown): string | undefined {
  if (!(value instanceof Date)) return wanted("a Date", value);
  const ms = value.getTime();
  if (Number.isNaN(ms)) return "is an invalid Date";
  return ms >= limits.min && ms <= limits.max ? undefined : "is out of the range of the column's dates";
}

/** `faultOf`: of an element that is neither null nor undefined. */
export function arrayFault(value: unknown, faultOf: (element: unknown) => string | undefined): string | undefined {
  if (!Array.isArray(value)) return wanted("an array", value);
  for (const element of value) {
    const fault = element === null || element === undefined ? "is null or missing" : faultOf(element);
    if (fault !== undefined) return `holds an element that ${fault}`;
  }
  return undefined;
}

const wanted = (what: string, value: unknown): string =>
  `is ${value === null ? "null" : Array.isArray(value) ? "an array" : `of type ${typeof value}`}, and must be ${what}`;
