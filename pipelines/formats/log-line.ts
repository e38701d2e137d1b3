/** A point in time as a log wrote it. Classic syslog leaves the year out; `year-clock.ts` puts it back. */
export type Stamp = { readonly kind: "instant"; readonly time: Date } | YearlessStamp;

export interface YearlessStamp {
  readonly kind: "yearless";
  /** 0 for January. */
  readonly month: number;
  readonly day: number;
  /** Milliseconds since that day's midnight. */
  readonly msOfDay: number;
}

/** What one line of a system log is, before anyone asks what its text means. */
export type LogLine =
  | {
      readonly kind: "entry";
      readonly stamp: Stamp;
      readonly host: string;
      readonly program: string;
      readonly pid: string;
      readonly text: string;
    }
  /** Stamped, but no `program[pid]: text` follows: a kernel line, or "last message repeated". */
  | { readonly kind: "untagged"; readonly stamp: Stamp }
  /** What journalctl itself prints between entries. */
  | { readonly kind: "marker" }
  | { readonly kind: "unreadable"; readonly reason: string };

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const classicStamp = /^(?:<\d{1,3}>)?([A-Z][a-z]{2}) +(\d{1,2}) (\d{2}):(\d{2}):(\d{2})(?:[.,](\d+))?(?= |$)/;
const isoStamp =
  /^(?:<\d{1,3}>)?(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2}):(\d{2})(?:[.,](\d+))?(Z|z|[+-]\d{2}(?::?\d{2})?)?(?= |$)/;
// The host may be missing; it never ends in a colon, or another program's tag would pass for one.
const tag = /^ +(?:(\S*[^\s:]) +)?([^\s:[\]]+)(?:\[(\d+)\])?: ?(.*)$/s;
const journalctlMarker = /^-- (?:Logs begin|Journal begins|Boot |Reboot|No entries)/;

/** Reads one line: classic syslog, syslog with an ISO 8601 stamp, or an object of `journalctl -o json`. Never throws. */
export function readLogLine(line: string): LogLine {
  if (line.startsWith("{")) return readJournalEntry(line);
  if (journalctlMarker.test(line)) return { kind: "marker" };
  const classic = classicStamp.exec(line);
  const iso = classic === null ? isoStamp.exec(line) : null;
  const found = classic ?? iso;
  if (found === null) return unreadable("it begins with no time stamp, so it is not a line of a system log");
  const stamp = classic === null ? isoTime(found) : yearlessTime(found);
  if (stamp === undefined) return unreadable(`'${found[0]}' is not a time that exists`);
  const parts = tag.exec(line.slice(found[0].length));
  if (parts === null) return { kind: "untagged", stamp };
  const [, host = "", program = "", pid = "", text = ""] = parts;
  return { kind: "entry", stamp, host, program, pid, text };
}

function yearlessTime([, name = "", day = "", hour = "", minute = "", second = "", fraction]: RegExpExecArray):
  | YearlessStamp
  | undefined {
  const month = months.indexOf(name);
  const msOfDay = clockMs(hour, minute, second, fraction);
  // A leap year, so that Feb 29 is judged later, by the year it turns out to have.
  if (month < 0 || msOfDay === undefined || midnight(2024, month, Number(day)) === undefined) return undefined;
  return { kind: "yearless", month, day: Number(day), msOfDay };
}

/** A stamp without a zone is read as UTC. */
function isoTime([, year, month, day, hour = "", minute = "", second = "", fraction, zone = "Z"]: RegExpExecArray):
  | Stamp
  | undefined {
  const start = midnight(Number(year), Number(month) - 1, Number(day));
  const msOfDay = clockMs(hour, minute, second, fraction);
  if (start === undefined || msOfDay === undefined) return undefined;
  return { kind: "instant", time: new Date(start + msOfDay - zoneMs(zone)) };
}

function zoneMs(zone: string): number {
  if (zone === "Z" || zone === "z") return 0;
  const digits = zone.slice(1).replace(":", "");
  const ms = (Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2) || "0")) * 60_000;
  return zone.startsWith("-") ? -ms : ms;
}

/** 23:59:60, a leap second, is the first moment of the next minute. */
function clockMs(hour: string, minute: string, second: string, fraction = ""): number | undefined {
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined;
  const ms = Number(fraction.slice(0, 3).padEnd(3, "0"));
  return ((Number(hour) * 60 + Number(minute)) * 60 + Number(second)) * 1000 + ms;
}

/** UTC midnight of a day in milliseconds; undefined when that year has no such day. */
export function midnight(year: number, month: number, day: number): number | undefined {
  const date = new Date(Date.UTC(year, month, day));
  return date.getUTCMonth() === month && date.getUTCDate() === day ? date.getTime() : undefined;
}

function readJournalEntry(line: string): LogLine {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(line);
  } catch {
    return unreadable("it begins like a journal entry, but is not JSON");
  }
  const micros = journalText(fields["__REALTIME_TIMESTAMP"]);
  const time = new Date(/^\d{1,17}$/.test(micros ?? "") ? Math.floor(Number(micros) / 1000) : Number.NaN);
  if (Number.isNaN(time.getTime())) return unreadable("the journal entry has no __REALTIME_TIMESTAMP in microseconds");
  const stamp = { kind: "instant", time } as const;
  const program = journalText(fields["SYSLOG_IDENTIFIER"]) ?? journalText(fields["_COMM"]);
  const text = journalText(fields["MESSAGE"]);
  if (program === undefined) return { kind: "untagged", stamp };
  if (text === undefined && program.startsWith("sshd")) {
    return unreadable("the journal entry has no MESSAGE (journalctl prints null for long ones; give it --all)");
  }
  const pid = journalText(fields["_PID"]) ?? journalText(fields["SYSLOG_PID"]) ?? "";
  return { kind: "entry", stamp, host: journalText(fields["_HOSTNAME"]) ?? "", program, pid, text: text ?? "" };
}

/** A journal field is a string, an array of bytes where it is not printable, or an array of either where the field repeats. */
function journalText(field: unknown): string | undefined {
  if (typeof field === "string") return field;
  if (typeof field === "number") return String(field);
  if (!Array.isArray(field) || field.length === 0) return undefined;
  if (field.every((byte) => Number.isInteger(byte) && byte >= 0 && byte <= 255))
    return new TextDecoder().decode(Uint8Array.from(field));
  return journalText(field[0]);
}

const unreadable = (reason: string): LogLine => ({ kind: "unreadable", reason });
