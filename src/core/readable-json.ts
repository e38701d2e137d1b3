import { ExactNumber, exactJson } from "./exact-json.ts";

/** Deeper than this a value is cut: JSON that nests without end cannot be written. */
const maxDepth = 100;

/**
 * Any value as JSON for people, without ever failing. Numbers have all their digits, bigints too. What JSON has is as JSON has it; what it has not is told in a text or an object of
 * its own, never left out: `"[undefined]"`, `"[NaN]"`, `{"[Map]":[[key, value]]}`, `{"[Set]":[…]}`, `{"[Error]":"…"}`, bytes as
 * `{"[Uint8Array]":"base64"}`, and `"[circular]"` where a value holds itself.
 */
export function readableJson(value: unknown): string {
  return exactJson(plain(value, []));
}

/** `within`: the objects that it lies in, the outermost first. */
function plain(value: unknown, within: readonly object[]): unknown {
  switch (typeof value) {
    case "string":
    case "boolean":
    case "bigint":
      return value;
    case "number":
      return Number.isFinite(value) ? value : `[${value}]`;
    case "undefined":
      return "[undefined]";
    case "symbol":
    case "function":
      return `[${typeof value}]`;
    case "object":
      return value === null ? null : plainObject(value, within);
    default:
      return value;
  }
}

function plainObject(value: object, within: readonly object[]): unknown {
  if (within.includes(value)) return "[circular]";
  if (within.length >= maxDepth) return "[deeper]";
  try {
    return partsOf(value, [...within, value]);
  } catch {
    return "[unreadable]";
  }
}

function partsOf(value: object, within: readonly object[]): unknown {
  const inner = (part: unknown) => plain(part, within);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "[Invalid Date]" : value.toISOString();
  if (Array.isArray(value)) return Array.from(value, inner);
  if (value instanceof Map) return { "[Map]": Array.from(value, ([key, part]) => [inner(key), inner(part)]) };
  if (value instanceof Set) return { "[Set]": Array.from(value, inner) };
  if (value instanceof Error) return { "[Error]": `${value.name}: ${value.message}` };
  if (ArrayBuffer.isView(value))
    return { [`[${value.constructor.name}]`]: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") };
  if (value instanceof ExactNumber) return value;
  if (value instanceof RegExp) return String(value);
  // What says itself how it is written, such as a URL or a Temporal.Instant.
  if ("toJSON" in value && typeof value.toJSON === "function") return inner(value.toJSON());
  // Built up by definition, since assigning to '__proto__' would change the prototype.
  return Object.fromEntries(Object.keys(value).map((name) => [name, inner(safely(() => Reflect.get(value, name)))]));
}

function safely(get: () => unknown): unknown {
  try {
    return get();
  } catch {
    return "[unreadable]";
  }
}
