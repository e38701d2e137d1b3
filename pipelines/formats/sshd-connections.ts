import type { LineEvent } from "headrace";
import { Recent } from "./recent.ts";

/**
 * What an sshd reader knows of a connection. It goes by host, address and port, since sshd may speak of one from several processes;
 * where a line names no port, by host and process.
 */
export interface Connection {
  readonly pid: string;
  ip: string | undefined;
  port: string | undefined;
  /** When it was last heard of, milliseconds since the epoch. */
  lastAt: number;
  /** Failures that were told of it. */
  failures: number;
  isOver: boolean;
  /** sshd has said that it does not know the user, which it says once. */
  isNamed: boolean;
  session: Session | undefined;
  readonly doubts: Doubts;
}

export interface Session {
  readonly userId: string;
  readonly sessionId: string;
  readonly ip: string | undefined;
  /** PAM opened it, and will say when it closes it. */
  byPam: boolean;
  endedAt: number | undefined;
}

/** What is known of a connection and may yet turn out to be an event, or none. */
export interface Doubts {
  /** An attempt that came to nothing, unless the connection goes on to a login or to a failure that is counted. */
  suspect: Suspect | undefined;
  /** Failures that count unless the connection goes on to a login. */
  readonly offers: LineEvent[];
  /** The end of a session that PAM has not closed yet. */
  ending: LineEvent | undefined;
}

export interface Suspect {
  /** The id of its event, which is number 0 of its line. */
  readonly idOf: (k: number) => string;
  readonly time: Date;
  userId: string | undefined;
  ip: string | undefined;
  reason: string | undefined;
  readonly method: string | undefined;
}

export interface Sighting {
  readonly host: string;
  readonly pid: string;
  readonly ip?: string | undefined;
  readonly port?: string | undefined;
  readonly at: number;
}

/** sshd gives a client two minutes to log in, unless it is told otherwise: behind this a silent connection is over. */
export const silenceMs = 600_000;
/** What sshd says of the end of a connection, it says in one breath; PAM may take a little longer over a session. */
const lastWordsMs = 10_000;
export const oneBreathMs = 60_000;
/** A bound on what is remembered; the oldest are forgotten first. */
export const maxConnections = 65_536;

/** The connections of a log, by the lines that tell of them. */
export class Connections {
  readonly #byAddress = new Recent<Connection>(maxConnections);
  readonly #byProcess = new Recent<Connection>(maxConnections);

  /** The one that a line tells of, where it is known. */
  find({ host, pid, ip, port, at }: Sighting): Connection | undefined {
    const known = port === undefined ? undefined : this.#byAddress.get(`${host} ${ip} ${port}`);
    if (known !== undefined) return isPast(known, at) ? undefined : known;
    const own = this.ofProcess(host, pid);
    if (own === undefined || isPast(own, at)) return undefined;
    return port === undefined || own.port === undefined ? own : undefined;
  }

  /** The one that this process served last. */
  ofProcess(host: string, pid: string): Connection | undefined {
    return pid === "" ? undefined : this.#byProcess.get(`${host} ${pid}`);
  }

  /** A line tells of a connection: of `known`, or of another one that takes its place. */
  see(sighting: Sighting, known: Connection | undefined): Connection {
    const { host, pid, ip, port, at } = sighting;
    const connection = known ?? newConnection(sighting);
    connection.lastAt = Math.max(connection.lastAt, at);
    if (port !== undefined && connection.port === undefined) Object.assign(connection, { ip, port });
    connection.ip ??= ip;
    if (connection.port !== undefined) this.#byAddress.set(`${host} ${connection.ip} ${connection.port}`, connection);
    if (connection.pid === pid) this.bind(host, pid, connection);
    return connection;
  }

  /** From now on this process speaks of this connection. */
  bind(host: string, pid: string, connection: Connection): void {
    if (pid !== "") this.#byProcess.set(`${host} ${pid}`, connection);
  }
}

/** Whether what is known is of an earlier connection: processes and ports come round again. */
function isPast({ isOver, lastAt, session }: Connection, at: number): boolean {
  if (session !== undefined) return session.endedAt !== undefined && Math.abs(at - session.endedAt) > oneBreathMs;
  return Math.abs(at - lastAt) > (isOver ? lastWordsMs : silenceMs);
}

const newConnection = ({ pid, ip, port, at }: Sighting): Connection => ({
  pid,
  ip,
  port,
  lastAt: at,
  failures: 0,
  isOver: false,
  isNamed: false,
  session: undefined,
  doubts: { suspect: undefined, offers: [], ending: undefined },
});

/** sshd logs the name that the client sent, PAM the account that it became: `CORP\\alice`, `alice@corp` and `Alice` are all alice. */
export function sameAccount(a: string, b: string): boolean {
  return a === b || accountOf(a) === accountOf(b);
}

export const accountOf = (name: string): string => name.replace(/^.*\\/, "").replace(/@.*$/, "").toLowerCase();
