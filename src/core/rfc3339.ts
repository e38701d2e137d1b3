/** Times as RFC 3339 writes them. */

const rfc3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}:\d{2}):(\d{2})(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

/**
 * Milliseconds since the epoch of an RFC 3339 time; `undefined` for anything else. A leap second, `:60`, is the last millisecond of its
 * minute: so it comes behind everything else of that minute, and stays in its hour and day.
 */
export function parseTime(time: unknown): number | undefined {
  if (typeof time !== "string") return undefined;
  const usual = parseUsual(time);
  if (usual >= 0) return usual;
  const match = rfc3339.exec(time);
  if (!match) return undefined;
  const [text, year, month, day, minute, second, , zone] = match;
  // Date.parse takes 30 February for 1 March.
  if (Number(day) > 28 && new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate() < Number(day)) return undefined;
  const at = Date.parse(second === "60" ? `${year}-${month}-${day}T${minute}:59.999${zone}` : text);
  return Number.isNaN(at) ? undefined : at;
}

/**
 * The same for `YYYY-MM-DDTHH:MM:SS.mmmZ`, as JavaScript writes times; -1 for any other text, whatever it is. Nearly every plain
 * entry holds one: a regular expression and Date.parse together take four times as long.
 */
function parseUsual(text: string): number {
  if (text.length !== 24 || !hasMarks(text)) return -1;
  const [year, month, day] = [100 * two(text, 0) + two(text, 2), two(text, 5), two(text, 8)];
  const [hour, minute, second] = [two(text, 11), two(text, 14), two(text, 17)];
  const ms = 10 * two(text, 20) + (two(text, 21) % 10);
  if (!(within(year, 1970, 9999) && within(month, 1, 12) && within(day, 1, 31))) return -1;
  if (!(within(hour, 0, 23) && within(minute, 0, 59) && within(second, 0, 59) && within(ms, 0, 999))) return -1;
  const dayStart = startOfDay(year, month, day);
  return dayStart < 0 ? -1 : dayStart + ((hour * 60 + minute) * 60 + second) * 1_000 + ms;
}

/** The day that was asked for last: events that lie side by side mostly are of one day. */
const lastDay = { date: 0, start: 0 };

/** Milliseconds since the epoch at the start of a day; -1 where the month does not have it. */
function startOfDay(year: number, month: number, day: number): number {
  const date = (year * 100 + month) * 100 + day;
  if (date !== lastDay.date) {
    const start = Date.UTC(year, month - 1, day);
    lastDay.date = date;
    // Date.UTC takes 30 February for 1 March.
    lastDay.start = day > 28 && new Date(start).getUTCDate() !== day ? -1 : start;
  }
  return lastDay.start;
}

const hasMarks = (text: string): boolean =>
  text.charCodeAt(4) === 45 &&
  text.charCodeAt(7) === 45 &&
  text.charCodeAt(10) === 84 &&
  text.charCodeAt(13) === 58 &&
  text.charCodeAt(16) === 58 &&
  text.charCodeAt(19) === 46 &&
  text.charCodeAt(23) === 90;

/** The number that two characters stand for; far below 0 where one is no digit. */
function two(text: string, at: number): number {
  const [tens, ones] = [text.charCodeAt(at) - 48, text.charCodeAt(at + 1) - 48];
  return within(tens, 0, 9) && within(ones, 0, 9) ? 10 * tens + ones : -1e6;
}

const within = (value: number, least: number, most: number): boolean => value >= least && value <= most;

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
