import { defineFormat, type LineContext, type LineEvent, type LineReader, type LineResult } from "headrace";
import { logClock } from "./log-clock.ts";
import { readLogLine } from "./log-line.ts";
import { Recent } from "./recent.ts";
import {
  accountOf,
  type Connection,
  Connections,
  maxConnections,
  oneBreathMs,
  type Sighting,
  sameAccount,
} from "./sshd-connections.ts";
import { DoubtBook } from "./sshd-doubts.ts";
import { type Attempt, kindOf, maxRepeats, readSshdText, type SshdText } from "./sshd-text.ts";

/** One line of sshd. */
interface Entry {
  readonly time: Date;
  readonly host: string;
  readonly pid: string;
  readonly text: string;
}

/** sshd, the processes that it hands a connection to since OpenSSH 9.8, and its unit, which `journalctl -o with-unit` names. */
const programs = /^(?:sshd|sshd-session|sshd-auth|sshd?(?:@\S*)?\.service)$/;
/** Linux-PAM's old tag. */
const pamProgram = /^sshd\((pam_\w+)\)$/;
/** Lines that are remembered to tell equal ones apart. They are equal to the second, and come close together. */
const maxDistinctLines = 65_536;

/**
 * Reads an sshd log line by line: the forms of `log-line.ts`. Stamps without a zone are UTC, or of the zone that is given.
 *
 * `Failed …` is a `login.failed` (N of them for "repeated N times"), `Accepted …` a `login.succeeded`. Keys that are offered before
 * the right one is found are no failures; a connection that ends without a login, and of which no line counts a failure, is one. A
 * session ends (`login.ended`) when PAM closes it, or without PAM when its connection ends. It is called `<pid>@<login time>`, since
 * pids recur, or `<pid>` where the login was not seen.
 *
 * **Ids** are made of what a line says (time, host, pid, text) and of how many lines of the file said exactly the same before it. So
 * a log may be sent again under another name, from stdin, after lines were appended, or after rotation took its head away, which a
 * line number would not stand, and every event keeps its id. An event that several lines tell of has the id of the first of them: a
 * connection that a file begins or ends in the middle of may count once more when the parts are sent in two runs; in one run it does not.
 */
export function sshdReader(context: LineContext): LineReader {
  const clock = logClock(context);
  const connections = new Connections();
  const doubts = new DoubtBook();
  const timesSeen = new Recent<number>(maxDistinctLines);
  /** The last login of each account, for a PAM that speaks from a process of its own. */
  const lastLogins = new Recent<Connection>(maxConnections);
  const lines = { stamped: 0, ofSshd: 0 };
  /** The failure that the last line was, for BSD's "last message repeated". */
  let last: (Entry & { readonly what: Attempt }) | undefined;

  /** The id of the k-th event of a line, from 0. The time is in it: one id never carries two times, whatever the year. */
  const idsOf = ({ time, host, pid, text }: Entry): ((k: number) => string) => {
    const content = JSON.stringify([time.toISOString(), host, pid, text]);
    const seen = (timesSeen.get(content) ?? 0) + 1;
    timesSeen.set(content, seen);
    return (k) => context.idOf(`${content.slice(0, -1)},${seen},${k}]`);
  };
  const eventsOf = (entry: Entry, type: string, data: Readonly<Record<string, unknown>>, count = 1): readonly LineEvent[] => {
    const idOf = idsOf(entry);
    return Array.from({ length: count }, (_, k) => ({ id: idOf(k), type, time: entry.time, data }));
  };
  const sighting = ({ host, pid, time }: Entry, { ip, port }: { readonly ip?: string; readonly port?: string | undefined }) =>
    ({ host, pid, ip, port, at: time.getTime() }) satisfies Sighting;
  /** A connection that is not logged in yet: an old session of the same process or port is another one. */
  const stranger = (seen: Sighting): Connection => {
    const known = connections.find(seen);
    return connections.see(seen, known?.session === undefined ? known : undefined);
  };

  function failed(entry: Entry, what: Attempt, times: number): LineResult {
    const { userId, ip, method, isInvalid } = what;
    const connection = stranger(sighting(entry, what));
    const reason = isInvalid ? "invalid user" : undefined;
    if (method === "publickey") {
      return told(doubts.suspect(connection, { idOf: idsOf(entry), time: entry.time, userId, ip, reason, method }));
    }
    const data = { userId, ip, method, ...(reason === undefined ? {} : { reason }) };
    const events = eventsOf(entry, "login.failed", data, times);
    // A client asks first which methods there are: of a user whom sshd knows that may be the way to a login.
    if (method === "none" && !isInvalid) return told(doubts.offer(connection, events));
    connection.failures += times;
    doubts.counted(connection);
    last = { ...entry, what };
    return { kind: "events", events };
  }

  function accepted(entry: Entry, what: Attempt): LineResult {
    const { userId, ip, method } = what;
    const connection = stranger(sighting(entry, what));
    const sessionId = `${entry.pid}@${entry.time.toISOString()}`;
    const before = doubts.loggedIn(connection, userId);
    connection.session = { userId, sessionId, ip, byPam: false, endedAt: undefined };
    connections.bind(entry.host, entry.pid, connection);
    lastLogins.set(`${entry.host} ${accountOf(userId)}`, connection);
    return { kind: "events", events: [...before, ...eventsOf(entry, "login.succeeded", { userId, sessionId, ip, method })] };
  }

  function suspected(entry: Entry, what: SshdText & { readonly kind: "suspected" }): LineResult {
    const seen = sighting(entry, what);
    if (what.ends && connections.find(seen)?.session !== undefined) return ended(entry, what);
    let connection = stranger(seen);
    const before: LineEvent[] = [];
    // What is said once of a connection, or by another process of one that is over, is said of another one.
    if ((what.once && connection.isNamed) || (connection.isOver && connection.pid !== entry.pid)) {
      before.push(...doubts.settle(connection));
      connection = connections.see(seen, undefined);
    }
    if (connection.isOver) return ignored("its connection was over");
    connection.isNamed ||= what.once;
    const { userId, ip, reason } = what;
    before.push(...doubts.suspect(connection, { idOf: idsOf(entry), time: entry.time, userId, ip, reason, method: undefined }));
    if (!what.ends) return told(before);
    connection.isOver = true;
    return settled([...before, ...doubts.settle(connection)], "its connection has a failure");
  }

  function ended(entry: Entry, what: { readonly ip?: string; readonly port?: string }): LineResult {
    const seen = sighting(entry, what);
    const known = connections.find(seen);
    if (known === undefined) return ignored("the end of a connection that had tried no login");
    const connection = connections.see(seen, known);
    const { session } = connection;
    if (session === undefined) {
      connection.isOver = true;
      return settled(doubts.settle(connection), "the end of a connection");
    }
    if (session.endedAt !== undefined || connection.doubts.ending !== undefined) return ignored("the session had ended");
    const [event] = eventsOf(entry, "login.ended", endOf(connection, session));
    if (event === undefined) return ignored("the session had ended");
    if (session.byPam) return told(doubts.ending(connection, event));
    session.endedAt = entry.time.getTime();
    return { kind: "events", events: [event] };
  }

  function opened({ host, pid, time }: Entry, userId: string): LineResult {
    const own = connections.ofProcess(host, pid)?.session;
    const known = own !== undefined && own.endedAt === undefined && sameAccount(own.userId, userId);
    const login = known ? connections.ofProcess(host, pid) : lastLogins.get(`${host} ${accountOf(userId)}`);
    if (login?.session === undefined || login.session.endedAt !== undefined || (!known && login.session.byPam))
      return ignored("a session whose login was not seen");
    if (!known && Math.abs(time.getTime() - login.lastAt) > oneBreathMs) return ignored("a session whose login was not seen");
    login.session.byPam = true;
    connections.bind(host, pid, login);
    return ignored("a session begins with its login");
  }

  function closed(entry: Entry, userId: string): LineResult {
    const { host, pid, time } = entry;
    const known = connections.ofProcess(host, pid);
    const own = known?.session !== undefined && sameAccount(known.session.userId, userId) ? known.session : undefined;
    if (own?.endedAt !== undefined && Math.abs(time.getTime() - own.endedAt) <= oneBreathMs)
      return ignored("the session had ended");
    if (known !== undefined && own !== undefined && own.endedAt === undefined) {
      own.endedAt = time.getTime();
      known.doubts.ending = undefined;
      return { kind: "events", events: eventsOf(entry, "login.ended", endOf(known, own)) };
    }
    const connection = connections.see({ host, pid, at: time.getTime() }, undefined);
    connection.session = { userId, sessionId: pid, ip: undefined, byPam: true, endedAt: time.getTime() };
    connections.bind(host, pid, connection);
    return { kind: "events", events: eventsOf(entry, "login.ended", endOf(connection, connection.session)) };
  }

  function understood(entry: Entry): LineResult {
    const what = readSshdText(entry.text);
    switch (what.kind) {
      case "other":
        return ignored("says nothing of a login");
      case "unknown":
        return { kind: "unknown", what: kindOf(entry.text) };
      case "unreadable":
        return { kind: "invalid", reason: what.reason };
      case "failed":
        return failed(entry, what, what.times);
      case "accepted":
        return entry.pid === "" ? nameless : accepted(entry, what);
      case "ambiguous": {
        const known = connections.ofProcess(entry.host, entry.pid);
        const [own, ...others] = what.choices.filter(({ ip, port }) => ip === known?.ip && port === known?.port);
        if (own === undefined || others.length > 0)
          return { kind: "invalid", reason: "it names several addresses, and the client may have written any of them" };
        const { method } = what;
        return what.failed ? failed(entry, { ...own, method }, 1) : accepted(entry, { ...own, method });
      }
      case "suspected":
        return suspected(entry, what);
      case "begun":
        stranger(sighting(entry, what));
        return ignored("the beginning of a connection");
      case "ended":
        return ended(entry, what);
      case "opened":
        return opened(entry, what.userId);
      case "closed":
        return entry.pid === "" ? nameless : closed(entry, what.userId);
    }
  }

  function repeated(time: Date, times: number): LineResult {
    if (last === undefined) return ignored("repeats a line that is no failed login");
    if (times > maxRepeats)
      return { kind: "invalid", reason: `${times} repetitions in one line; at most ${maxRepeats} are believed` };
    const { what, host, pid, text } = last;
    // It repeats the same connection's line: what that line was stays what it was.
    const again = failed({ time, host, pid, text: `message repeated ${times} times: [ ${text}]` }, what, times);
    last = { time, host, pid, text, what };
    return again;
  }

  const read = (raw: string): LineResult => {
    const line = raw.replace(/^\uFEFF/, "").replace(/[\r\n]+$/, "");
    if (line.trim() === "") return ignored("blank");
    const found = readLogLine(line);
    if (found.kind === "unreadable") return { kind: "invalid", reason: found.reason };
    if (found.kind === "foreign") return found;
    if (found.kind === "marker") return ignored("journalctl's own line");
    const time = clock.timeOf(found.stamp);
    if (typeof time === "string") return { kind: "invalid", reason: time };
    lines.stamped++;
    const before = doubts.expire(time.getTime());
    if (found.kind === "repeated") return behind(before, repeated(time, found.times));
    last = undefined;
    const pam = found.kind === "entry" ? pamProgram.exec(found.program)?.[1] : undefined;
    if (found.kind === "untagged" || (pam === undefined && !programs.test(found.program)))
      return behind(before, ignored("not written by sshd"));
    lines.ofSshd++;
    const { host, pid } = found;
    return behind(before, understood({ time, host, pid, text: pam === undefined ? found.text : `${pam}(sshd): ${found.text}` }));
  };

  return Object.assign(read, {
    next: () => timesSeen.clear(),
    end: () => ({
      settled: doubts.all(),
      notes: [
        ...(clock.assumedUtc()
          ? ["Stamps without a zone were read as UTC; --tz Europe/Berlin reads them as local time there."]
          : []),
        ...(lines.stamped > 0 && lines.ofSshd === 0 ? [`None of its ${lines.stamped} lines was written by sshd.`] : []),
      ],
    }),
  });
}

const endOf = (connection: Connection, { userId, sessionId, ip = connection.ip }: NonNullable<Connection["session"]>) => ({
  userId,
  sessionId,
  ...(ip === undefined ? {} : { ip }),
});

const ignored = (reason: string): LineResult => ({ kind: "ignored", reason });
const nameless: LineResult = { kind: "invalid", reason: "no process id, so the session has no name" };
const settled = (events: readonly LineEvent[], reason: string): LineResult =>
  events.length > 0 ? { kind: "events", events } : ignored(reason);
/** What the line says, its connection's end will tell. */
const told = (events: readonly LineEvent[]): LineResult => settled(events, "told when its connection is over");
const behind = (events: readonly LineEvent[], result: LineResult): LineResult =>
  events.length === 0 ? result : { ...result, settled: [...events, ...(result.settled ?? [])] };

/** `headrace send logins --from sshd` */
export const sshd = defineFormat("sshd", sshdReader);
