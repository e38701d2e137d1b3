/** Times as RFC 3339 writes them. */

const rfc3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}:\d{2}):(\d{2})(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

/**
 * Milliseconds since the epoch of an RFC 3339 time; `undefined` for anything else. A leap second, `:60`, is the last millisecond of its
 * minute: so it comes behind everything else of that minute, and stays in its hour and day.
 */
export function parseTime(time: unknown): number | undefined {
  const match = typeof time === "string" ? rfc3339.exec(time) : null;
  if (!match) return undefined;
  const [text, year, month, day, minute, second, , zone] = match;
  // Date.parse takes 30 February for 1 March.
  if (Number(day) > 28 && new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate() < Number(day)) return undefined;
  const at = Date.parse(second === "60" ? `${year}-${month}-${day}T${minute}:59.999${zone}` : text);
  return Number.isNaN(at) ? undefined : at;
}

/** Forms that are nearly one, each with what is missing. */
const nearly: readonly (readonly [form: RegExp, hint: string])[] = [
  [/[T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?[+-]\d{4}$/i, "write its offset with a colon, such as +01:00"],
  [/[T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?[+-]\d{2}$/i, "write its offset with minutes, such as +01:00"],
  [/[T ]\d{2}:\d{2}:\d{2}([.,]\d+)?$/i, "add its offset: Z for UTC, or such as +01:00"],
  [/:\d{2},\d+/, "write its fraction behind a point"],
  [/[T ]\d{2}:\d{2}(Z|[+-]\d{2}:\d{2})$/i, "add its seconds"],
  [/^\d{4}-\d{2}-\d{2}$/, "add the time of day, such as T00:00:00Z"],
];

/** Why a value is no RFC 3339 time, for people, with the way out where one is near. */
export function timeFault(time: unknown): string {
  const hint =
    typeof time === "number"
      ? "write numbers of seconds or milliseconds as text, such as 2026-01-31T12:00:00Z"
      : nearly.find(([form]) => typeof time === "string" && form.test(time))?.[1];
  return `it is not an RFC 3339 time: ${JSON.stringify(time)?.slice(0, 60)}${hint ? `; ${hint}` : ""}`;
}
