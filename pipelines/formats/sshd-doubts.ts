import type { LineEvent } from "headrace";
import { type Connection, maxConnections, type Suspect, sameAccount, silenceMs } from "./sshd-connections.ts";

/** Keeps the connections of which something is in doubt, and tells what became of it: an event has the id and time of its first line. */
export class DoubtBook {
  /** By when each was last heard of, the oldest first. */
  readonly #open = new Map<Connection, number>();

  /** An attempt came to nothing: one failure of the connection, where no other line counts one. */
  suspect(connection: Connection, { userId, ip, reason, ...first }: Suspect): readonly LineEvent[] {
    if (connection.failures > 0) return [];
    const { doubts } = connection;
    doubts.suspect ??= { ...first, userId, ip, reason };
    doubts.suspect.userId ??= userId;
    doubts.suspect.ip ??= ip;
    doubts.suspect.reason ??= reason;
    return this.#keep(connection);
  }

  /** A failure that counts unless a login follows. */
  offer(connection: Connection, events: readonly LineEvent[]): readonly LineEvent[] {
    connection.doubts.offers.push(...events);
    return this.#keep(connection);
  }

  /** A session has ended, and PAM is about to say so too. */
  ending(connection: Connection, event: LineEvent): readonly LineEvent[] {
    connection.doubts.ending ??= event;
    return this.#keep(connection);
  }

  /** A failure was counted: nothing is suspected any more. */
  counted(connection: Connection): void {
    connection.doubts.suspect = undefined;
  }

  /** The connection's user has logged in: what came before was the way there. */
  loggedIn(connection: Connection, userId: string): readonly LineEvent[] {
    const { doubts } = connection;
    if (doubts.suspect !== undefined && sameAccount(doubts.suspect.userId ?? userId, userId)) doubts.suspect = undefined;
    const others = doubts.offers.filter(({ data }) => !sameAccount(String(data["userId"]), userId));
    doubts.offers.splice(0, doubts.offers.length, ...others);
    return this.settle(connection);
  }

  /** Nothing more will be heard of the connection that would change what is known. */
  settle(connection: Connection): readonly LineEvent[] {
    const { doubts, ip, port } = connection;
    const { suspect, offers, ending } = doubts;
    this.#open.delete(connection);
    const events = offers.splice(0);
    connection.failures += events.length;
    doubts.suspect = undefined;
    doubts.ending = undefined;
    if (suspect !== undefined && connection.failures === 0) {
      connection.failures++;
      // A port stands beside an address; without one a line may have named a host.
      events.push(failureOf(suspect, port === undefined ? (suspect.ip ?? ip) : ip));
    }
    return ending === undefined ? events : [...events, ending];
  }

  /** Settles what has been silent for too long at this time of the log. */
  expire(at: number): readonly LineEvent[] {
    const events: LineEvent[] = [];
    for (const [connection, lastAt] of this.#open) {
      if (at - lastAt <= silenceMs) break;
      connection.isOver ||= connection.session === undefined;
      events.push(...this.settle(connection));
    }
    return events;
  }

  /** The log is at its end. */
  all(): readonly LineEvent[] {
    return [...this.#open.keys()].flatMap((connection) => this.settle(connection));
  }

  #keep(connection: Connection): readonly LineEvent[] {
    this.#open.delete(connection);
    this.#open.set(connection, connection.lastAt);
    if (this.#open.size <= maxConnections) return [];
    const [oldest] = this.#open.keys();
    return oldest === undefined ? [] : this.settle(oldest);
  }
}

/** UNKNOWN is sshd's own word for an address that it cannot tell. */
const failureOf = (
  { idOf, time, userId = "", ip = "UNKNOWN", method, reason }: Suspect,
  address: string | undefined,
): LineEvent => ({
  id: idOf(0),
  type: "login.failed",
  time,
  data: {
    userId,
    ip: address ?? ip,
    ...(method === undefined ? {} : { method }),
    ...(reason === undefined ? {} : { reason }),
  },
});
