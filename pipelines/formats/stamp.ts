/** A point in time as a log wrote it. One without a zone, or without a year, is put in its place by `log-clock.ts`. */
export type Stamp = { readonly kind: "instant"; readonly time: Date } | LocalStamp;

export interface LocalStamp {
  readonly kind: "local";
  /** Classic syslog leaves it out. */
  readonly year?: number;
  /** 0 for January. */
  readonly month: number;
  readonly day: number;
  /** Milliseconds since that day's midnight. */
  readonly msOfDay: number;
  /** `CET`: it has no one meaning in the world, but one in the zone that the caller names. */
  readonly abbreviation?: string;
}

export type StampFound =
  | { readonly kind: "stamp"; readonly stamp: Stamp; readonly isRfc5424: boolean /** What follows it. */; readonly rest: string }
  | { readonly kind: "none"; readonly reason: string };

/** The command that writes a journal readably, whatever the language and the zone of the machine. */
export const readableJournal = "LC_ALL=C journalctl -o short-iso";

const priority = "(?:<\\d{1,3}>)?";
const date = "(?<year>\\d{4})-(?<month>\\d{2})-(?<day>\\d{2})";
const clock = "(?<hour>\\d{2}):(?<minute>\\d{2}):(?<second>\\d{2})(?:[.,](?<fraction>\\d+))?";
const zone = "(?<zone>Z|z|[+-]\\d{2}(?::?\\d{2})?)";
const word = "[^\\s\\d.:<>[\\]]+";
const named = `(?<month>${word})\\.? +(?<day>\\d{1,2})`;

/** Forms that begin with a digit or a priority, and those that begin with a word. The first that fits holds. */
const numeric = [
  new RegExp(`^${priority}${date}[T ]${clock}${zone}?(?= |$)`),
  new RegExp(`^${priority}(?<rfc5424>1) ${date}T${clock}${zone}(?= )`),
  // journalctl -o short-unix
  /^(?<unix>\d{9,11})\.(?<fraction>\d{1,9})(?= )/,
];
const worded = [
  // Some daemons add a year. The month is in the language of the machine.
  new RegExp(`^${priority}${named} (?:(?<year>\\d{4}) )?${clock}(?= |$)`),
  // The order of ctime, and of OpenWrt's logread.
  new RegExp(`^${priority}${word}\\.? ${named} ${clock} (?<year>\\d{4})(?= |$)`),
  // journalctl -o short-full
  new RegExp(`^${word}\\.? ${date} ${clock} (?:${zone}|(?<abbreviation>[A-Z]{2,5}))(?= |$)`),
];
/** Seconds since the machine was started: journalctl -o short-monotonic, dmesg. */
const monotonic = /^\[? *\d+\.\d{6}\]? /;

/** Finds the stamp that a line begins with. Never throws. */
export function findStamp(line: string): StampFound {
  const forms = /^(?:<\d{1,3}>)?\d/.test(line) ? numeric : worded;
  for (const form of forms) {
    const found = form.exec(line);
    if (found?.groups === undefined) continue;
    const [text] = found;
    const stamp = stampOf(found.groups);
    if (stamp === undefined) return { kind: "none", reason: `'${text}' is not a time that exists${monthHint(found.groups)}` };
    return { kind: "stamp", stamp, isRfc5424: found.groups["rfc5424"] !== undefined, rest: line.slice(text.length) };
  }
  const reason = monotonic.test(line)
    ? `it begins with the seconds since the machine was started, which is no time stamp; '${readableJournal}' writes one`
    : `it begins with no time stamp that is known, so it is no line of a system log (of a journal, '${readableJournal}' writes them)`;
  return { kind: "none", reason };
}

type Groups = Readonly<Record<string, string | undefined>>;

function stampOf(groups: Groups): Stamp | undefined {
  const { unix, zone: zoneText, abbreviation } = groups;
  if (unix !== undefined) return { kind: "instant", time: new Date(Number(unix) * 1000 + milliseconds(groups["fraction"])) };
  const month = monthOf(groups["month"] ?? "");
  const year = groups["year"] === undefined ? undefined : Number(groups["year"]);
  const day = Number(groups["day"]);
  const msOfDay = clockMs(groups);
  // Without a year, a leap year: whether there is a Feb 29 is judged by the year that it turns out to have.
  const start = midnight(year ?? 2024, month, day);
  if (msOfDay === undefined || start === undefined) return undefined;
  const offset = zoneText ?? (abbreviation === "UTC" || abbreviation === "GMT" ? "Z" : undefined);
  if (offset !== undefined) return { kind: "instant", time: new Date(start + msOfDay - offsetMs(offset)) };
  return {
    kind: "local",
    month,
    day,
    msOfDay,
    ...(year !== undefined && { year }),
    ...(abbreviation !== undefined && { abbreviation }),
  };
}

/** What `%b` writes in English, German and French, cut to what tells it apart. */
const months: ReadonlyMap<string, number> = new Map(
  [
    ["jan", "janv", "jän"],
    ["feb", "févr", "fev", "fevr"],
    ["mar", "mär", "mars", "mrz", "maerz"],
    ["apr", "avr", "avril"],
    ["may", "mai"],
    ["jun", "juin"],
    ["jul", "juil"],
    ["aug", "août", "aout"],
    ["sep", "sept"],
    ["oct", "okt"],
    ["nov"],
    ["dec", "dez", "déc"],
  ].flatMap((names, month) => names.map((name) => [name, month] as const)),
);

/** 0 for January; -1 for a word that is no month. */
const monthOf = (text: string): number => (/^\d/.test(text) ? Number(text) - 1 : (months.get(text.toLowerCase()) ?? -1));

const monthHint = ({ month = "" }: Groups): string =>
  monthOf(month) >= 0 ? "" : `; months are read in English, German and French, and '${readableJournal}' writes none`;

function offsetMs(zoneText: string): number {
  if (zoneText === "Z" || zoneText === "z") return 0;
  const digits = zoneText.slice(1).replace(":", "");
  const ms = (Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2) || "0")) * 60_000;
  return zoneText.startsWith("-") ? -ms : ms;
}

/** 23:59:60, a leap second, is the first moment of the next minute. */
function clockMs({ hour, minute, second, fraction }: Groups): number | undefined {
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined;
  return ((Number(hour) * 60 + Number(minute)) * 60 + Number(second)) * 1000 + milliseconds(fraction);
}

const milliseconds = (fraction = ""): number => Number(fraction.slice(0, 3).padEnd(3, "0"));

/** UTC midnight of a day in milliseconds; undefined when that year has no such day. */
export function midnight(year: number, month: number, day: number): number | undefined {
  const date = new Date(Date.UTC(year, month, day));
  return date.getUTCMonth() === month && date.getUTCDate() === day ? date.getTime() : undefined;
}
