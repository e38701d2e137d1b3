import { onAbort } from "../../core/on-abort.ts";
import type { Server } from "../../redis/client.ts";
import type { Connection } from "../../redis/connection.ts";
import { isBefore } from "../entry-id.ts";
import type { Watch } from "../port.ts";

/** How long one blocking read lasts before it is made anew, milliseconds. */
const blockMs = 1_000;
/** A blocking read that has not come back this much after its time is dead: the socket is half open. */
const graceMs = 2_000;
/** How long the connection is kept for a reader that may come back, milliseconds. */
const restAfterMs = 60_000;

interface WatchingReader {
  readonly watches: readonly Watch[];
  readonly wake: () => void;
}

/**
 * Waits for new entries of logs that share a slot, on a connection of its own, for any number of readers at once. It only listens (XREAD):
 * nothing is given to a group, so a notification that nobody gets loses nothing. A reader that comes while another read is blocking makes
 * that read return (CLIENT UNBLOCK) and joins the next one. When a read fails, because the server is away or the slot has moved, the server
 * is looked for anew.
 */
export class LogWatcher {
  readonly #find: () => Promise<Server>;
  readonly #waiters = new Set<WatchingReader>();
  #server: Server | undefined;
  #connection: Connection | undefined;
  #resting: ReturnType<typeof setTimeout> | undefined;
  #clientId = 0;
  #blocking = false;
  #running: Promise<void> | undefined;
  #closed = false;

  /** `find`: the server that has the slot now. */
  constructor(find: () => Promise<Server>) {
    this.#find = find;
  }

  wait(watches: readonly Watch[], timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        leave();
        this.#waiters.delete(waiter);
        resolve();
      };
      const waiter: WatchingReader = { watches, wake };
      const timer = setTimeout(wake, timeoutMs);
      const leave = onAbort(signal, wake);
      this.#waiters.add(waiter);
      this.#listenAnew();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const waiter of this.#waiters) waiter.wake();
    this.#hangUp();
    await this.#running;
  }

  #listenAnew(): void {
    if (this.#blocking) this.#server?.send(["CLIENT", "UNBLOCK", String(this.#clientId)]).catch(() => {});
    this.#running ??= this.#listen().finally(() => {
      this.#running = undefined;
      // Whoever came between the last look and here must not wait for their time-out.
      if (this.#waiters.size > 0 && !this.#closed) return this.#listenAnew();
      this.#resting = setTimeout(() => this.#hangUp(), restAfterMs);
      this.#resting.unref();
    });
  }

  async #listen(): Promise<void> {
    clearTimeout(this.#resting);
    while (this.#waiters.size > 0 && !this.#closed) {
      const positions = new Map<string, string>();
      for (const { watches } of this.#waiters) {
        for (const { partition, after } of watches) {
          const other = positions.get(partition.log);
          if (other === undefined || isBefore(after, other)) positions.set(partition.log, after);
        }
      }
      const arrived = await this.#block(positions);
      for (const waiter of this.#waiters) {
        if (waiter.watches.some(({ partition, after }) => isBefore(after, arrived.get(partition.log) ?? "0-0"))) waiter.wake();
      }
    }
  }

  /** The newest id of each log that has something new. */
  async #block(positions: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, string>> {
    let watchdog: ReturnType<typeof setTimeout> | undefined;
    try {
      if (!this.#connection?.isReady) {
        this.#hangUp();
        this.#server = await this.#find();
        const connection = await this.#server.open({ name: "headrace-doorbell" });
        this.#connection = connection;
        if (this.#closed) connection.destroy();
        this.#clientId = Number(await connection.sendCommand(["CLIENT", "ID"]));
      }
      const connection = this.#connection;
      watchdog = setTimeout(() => connection.destroy(), blockMs + graceMs);
      this.#blocking = true;
      const reply = await connection.sendCommand<[Buffer, [Buffer, unknown][]][] | null>([
        "XREAD",
        "COUNT",
        "1",
        "BLOCK",
        String(blockMs),
        "STREAMS",
        ...positions.keys(),
        ...positions.values(),
      ]);
      return new Map((reply ?? []).map(([log, entries]) => [String(log), String(entries[0]?.[0])]));
    } catch {
      // Away, moved, or the stream was removed while we listened: the readers look for themselves, and the next read opens anew.
      this.#hangUp();
      await new Promise((resolve) => setTimeout(resolve, this.#closed ? 0 : 200));
      return new Map();
    } finally {
      this.#blocking = false;
      clearTimeout(watchdog);
    }
  }

  #hangUp(): void {
    this.#connection?.destroy();
    this.#connection = undefined;
  }
}
