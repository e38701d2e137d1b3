import { defineFormat, type LineContext, type LineReader, type LineResult } from "headrace";
import { readLogLine } from "./log-line.ts";
import { readSshdText } from "./sshd-text.ts";
import { yearClock } from "./year-clock.ts";

interface Session {
  readonly userId: string;
  readonly sessionId: string;
  readonly ip?: string;
  readonly endedAt?: number;
}

/** sshd, and since OpenSSH 9.8 the processes it hands a connection to. */
const programs: ReadonlySet<string> = new Set(["sshd", "sshd-session", "sshd-auth"]);
/** Bounds on what a reader remembers; the oldest is forgotten first. */
const maxSessions = 65_536;
const maxDistinctLines = 65_536;
/** pam_unix may stand twice in a PAM stack, and then says goodbye twice in one breath. */
const repeatedCloseMs = 60_000;

/**
 * Reads an sshd log line by line: classic syslog, ISO stamps, or `journalctl -o json`. Stamps without a zone are UTC.
 *
 * `Failed …` is a `login.failed` (N of them for "message repeated N times"), `Accepted …` a `login.succeeded`, and pam_unix's
 * "session closed" the `login.ended` of the session that the same process opened. All else is ignored; what is no log is invalid.
 * A session is `<pid>@<login time>`, since pids recur, or `<pid>` where the login was not seen.
 *
 * **Ids** are made of what a line says (time, host, pid, text) and of how many lines of the file said exactly the same before it.
 * So a log may be sent again under another name, from stdin, after lines were appended, or after rotation took its head away,
 * which a line number would not stand, and every event keeps its id. For a session that spans two rotated files, pipe them
 * in as one.
 */
export function sshdReader(context: LineContext): LineReader {
  const yearOf = yearClock(context);
  const sessions = new Map<string, Session>();
  const timesSeen = new Map<string, number>();

  /** Ids of the `count` events that a line stands for. The time is in them: one id never carries two times, whatever the year. */
  const idsOf = (content: readonly string[], count: number): readonly string[] => {
    const key = JSON.stringify(content);
    const seen = (timesSeen.get(key) ?? 0) + 1;
    remember(timesSeen, key, seen, maxDistinctLines);
    return Array.from({ length: count }, (_, k) => context.idOf(JSON.stringify([...content, seen, k])));
  };

  return (raw) => {
    const line = raw.replace(/^\uFEFF/, "").replace(/[\r\n]+$/, "");
    if (line.trim() === "") return ignored("blank");
    const entry = readLogLine(line);
    if (entry.kind === "unreadable") return { kind: "invalid", reason: entry.reason };
    if (entry.kind === "marker") return ignored("journalctl's own line");
    // Every stamped line moves the year along, whoever wrote it.
    const time = entry.stamp.kind === "instant" ? entry.stamp.time : yearOf(entry.stamp);
    if (time === undefined) return { kind: "invalid", reason: "Feb 29 of a year that has none; give the year of the first line" };
    if (entry.kind === "untagged" || !programs.has(entry.program)) return ignored("not written by sshd");

    const { host, pid } = entry;
    const what = readSshdText(entry.text);
    if (what.kind === "other") return ignored("says nothing of a login");
    if (what.kind === "unreadable") return { kind: "invalid", reason: what.reason };
    if (what.kind !== "failed" && pid === "") return { kind: "invalid", reason: "no process id, so the session has no name" };

    const content = [time.toISOString(), host, pid, entry.text];
    const events = (type: string, data: Record<string, unknown>, count = 1): LineResult => ({
      kind: "events",
      events: idsOf(content, count).map((id) => ({ id, type, time, data })),
    });
    const process = `${host} ${pid}`;

    if (what.kind === "failed") {
      const { userId, ip, method, reason, times } = what;
      return events("login.failed", { userId, ip, method, ...(reason === undefined ? {} : { reason }) }, times);
    }
    if (what.kind === "accepted") {
      const { userId, ip, method } = what;
      const sessionId = `${pid}@${time.toISOString()}`;
      remember(sessions, process, { userId, sessionId, ip }, maxSessions);
      return events("login.succeeded", { userId, sessionId, ip, method });
    }
    const known = sessions.get(process);
    const own = known !== undefined && sameAccount(known.userId, what.userId) ? known : undefined;
    if (own?.endedAt !== undefined && Math.abs(time.getTime() - own.endedAt) <= repeatedCloseMs)
      return ignored("the session had ended");
    const session: Session = own !== undefined && own.endedAt === undefined ? own : { userId: what.userId, sessionId: pid };
    remember(sessions, process, { ...session, endedAt: time.getTime() }, maxSessions);
    const { userId, sessionId, ip } = session;
    return events("login.ended", { userId, sessionId, ...(ip === undefined ? {} : { ip }) });
  };
}

/** sshd logs the name the client sent, PAM the account it became: `CORP\\alice`, `alice@corp` and `Alice` are all alice. */
function sameAccount(a: string, b: string): boolean {
  const account = (name: string) => name.replace(/^.*\\/, "").replace(/@.*$/, "").toLowerCase();
  return a === b || account(a) === account(b);
}

function remember<V>(map: Map<string, V>, key: string, value: V, limit: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= limit) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}

const ignored = (reason: string): LineResult => ({ kind: "ignored", reason });

/** `headrace send logins --from sshd` */
export const sshd = defineFormat("sshd", sshdReader);
