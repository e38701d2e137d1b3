import type { LogLine } from "./log-entry.ts";

/** Reads an object of `journalctl -o json`. Never throws. */
export function readJournalEntry(line: string): LogLine {
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
