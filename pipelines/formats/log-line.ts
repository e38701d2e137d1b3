import { readJournalEntry } from "./journal-entry.ts";
import type { LogLine } from "./log-entry.ts";
import { findStamp, readableJournal } from "./stamp.ts";

/** BusyBox and OpenWrt put it before the program, FreeBSD before the host. */
const severity =
  "(?:<?(?:kern|user|mail|daemon|auth|security|syslog|lpr|news|uucp|cron|authpriv|ftp|ntp|audit|console|local[0-7])\\.(?:emerg|panic|alert|crit|err|error|warning|warn|notice|info|debug)>?|<\\d{1,2}\\.\\d>)";
// The host may be missing; it never ends in a colon, or another program's tag would pass for one.
const tag = new RegExp(`^ +(?:${severity} +)?(?:(\\S*[^\\s:]) +)?(?:${severity} +)?([^\\s:[\\]]+)(?:\\[(\\d+)\\])?: ?(.*)$`, "s");
/** metalog writes `[program] text`, and neither host nor pid. */
const bracketTag = /^ +\[([^\s\]]+)\]:? (.*)$/s;
/** `host program pid msgid [structured data] text`; a dash is what is not there. */
const rfc5424Tag = /^ (\S+) (\S+) (\S+) \S+ (?:-|(?:\[(?:[^"\]]|"(?:[^"\\]|\\.)*")*\])+)(?: \uFEFF?(.*))?$/s;
const repeatedTag = /^ +(?:(\S+) +)?(?:syslogd(?:\[\d+\])?: +)?(?:--- )?last message repeated (\d+) times?(?: ---)?$/;
/** illumos and Solaris say in the text which message it is. */
const messageId = /^\[ID \d+ [\w.]+\] /;
const recordSeparator = "\x1e";
const journalctlMarker = /^-- (?:Logs begin|Journal begins|Boot |Reboot|No entries)/;

/**
 * Reads one line: classic syslog and its kin (BusyBox, OpenWrt, BSD, illumos), syslog with ISO 8601 stamps, RFC 5424, and
 * `journalctl -o short*`, `json`, `json-seq` and `json-sse`. Never throws.
 */
export function readLogLine(raw: string): LogLine {
  // RFC 7464 puts a record separator before each object, server-sent events a word.
  const line = raw.startsWith(recordSeparator) ? raw.slice(1) : raw.replace(/^data: (?=\{)/, "");
  if (line.startsWith("{") && line !== "{") return readJournalEntry(line);
  if (journalctlMarker.test(line)) return { kind: "marker" };
  const found = findStamp(line);
  if (found.kind === "none") return foreign(line) ?? { kind: "unreadable", reason: found.reason };
  const { stamp, rest, isRfc5424 } = found;
  if (isRfc5424) {
    const [, host = "", program = "", pid = "", text = ""] = rfc5424Tag.exec(rest) ?? [];
    if (program === "") return { kind: "unreadable", reason: "it begins like a line of RFC 5424, and does not go on like one" };
    return { kind: "entry", stamp, host: given(host), program: given(program), pid: /^\d+$/.test(pid) ? pid : "", text };
  }
  if (rest.startsWith(" [s=")) return foreign(rest) ?? { kind: "untagged", stamp };
  const repeated = repeatedTag.exec(rest);
  if (repeated !== null) return { kind: "repeated", stamp, host: repeated[1] ?? "", times: Number(repeated[2]) };
  const bracketed = bracketTag.exec(rest);
  if (bracketed !== null) {
    return { kind: "entry", stamp, host: "", program: bracketed[1] ?? "", pid: "", text: bracketed[2] ?? "" };
  }
  const parts = tag.exec(rest);
  if (parts === null) return { kind: "untagged", stamp };
  const [, host = "", program = "", pid = "", text = ""] = parts;
  return { kind: "entry", stamp, host, program, pid, text: text.replace(messageId, "") };
}

const given = (field: string): string => (field === "-" ? "" : field);

/** Forms whose first line gives them away. */
function foreign(line: string): LogLine | undefined {
  const journal = (reason: string): LogLine => ({ kind: "foreign", reason, hint: `Write it with '${readableJournal}'.` });
  if (line === "{") return journal("it holds JSON objects of several lines (journalctl -o json-pretty), not one a line");
  if (line.trimStart().startsWith("[{") || line.trim() === "[")
    return {
      kind: "foreign",
      reason: "it holds a JSON array, not an object a line",
      hint: "Take it apart with 'jq -c .[] FILE'.",
    };
  if (line.startsWith(" [s=")) return journal("it is written in fields of a line each (journalctl -o verbose)");
  if (line.startsWith("__CURSOR=")) return journal("it is written in fields of a line each (journalctl -o export)");
  return undefined;
}
