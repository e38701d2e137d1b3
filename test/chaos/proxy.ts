import { once } from "node:events";
import { createServer, type Server, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export type Direction = "upstream" | "downstream";

/** What a network does to a connection, by Toxiproxy's names. Each works on both directions unless it names one. */
export type Toxic = { readonly direction?: Direction } & (
  | { readonly kind: "latency"; readonly ms: number }
  | { readonly kind: "bandwidth"; readonly bytesPerSecond: number }
  /** The close of one side reaches the other later. */
  | { readonly kind: "slow_close"; readonly ms: number }
  /** Nothing passes any more; the connection is closed after `ms`. */
  | { readonly kind: "timeout"; readonly ms: number }
  | { readonly kind: "reset_peer"; readonly ms: number }
  | { readonly kind: "slicer"; readonly bytes: number; readonly ms: number }
  /** The connection is closed when this much has passed. */
  | { readonly kind: "limit_data"; readonly bytes: number }
);

/** One connection through the proxy. */
export interface Link {
  readonly client: Socket;
  readonly server: Socket;
  /** What taps keep about it. */
  readonly notes: Map<string, unknown>;
  passed: number;
  /** Neither data nor a close gets through any more: a half-open connection. */
  isDead: boolean;
  /** The client's close goes on no sooner than this: what it sent is to have its effect. */
  lingers: Promise<unknown> | undefined;
}

/** Sees every piece before it goes on, and may hold it; `drop` keeps it for ever. */
export type Tap = (piece: Buffer, link: Link, direction: Direction) => Promise<"drop" | undefined> | "drop" | undefined;

/** Stands between a client and one service, and does to their connections what a bad network does. */
export class FaultProxy {
  readonly port: number;
  readonly #target: number;
  readonly #server: Server;
  readonly #links = new Set<Link>();
  readonly #toxics = new Set<Toxic>();
  readonly #taps = new Set<Tap>();
  #mode: "open" | "away" | "half-open" = "open";
  /** Connections that were cut as soon as they came, since the service is away. */
  refused = 0;

  private constructor(server: Server, target: number) {
    this.#server = server;
    this.#target = target;
    this.port = (server.address() as { port: number }).port;
    server.on("connection", (client) => this.#accept(client));
  }

  static async listen(target: number): Promise<FaultProxy> {
    const server = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
    await once(server, "listening");
    return new FaultProxy(server, target);
  }

  /** Takes effect at once, on connections that are there and on new ones. Returns what takes it off again. */
  add(toxic: Toxic): () => void {
    this.#toxics.add(toxic);
    for (const link of this.#links) this.#start(toxic, link);
    return () => void this.#toxics.delete(toxic);
  }

  tap(tap: Tap): () => void {
    this.#taps.add(tap);
    return () => void this.#taps.delete(tap);
  }

  /** Cuts every connection, and each new one at once: the service is away. */
  cutOff(): void {
    this.#mode = "away";
    for (const link of this.#links) reset(link);
  }

  /** Connections stay, and nothing passes: neither data nor the news that an end is gone. Those never come back to life. */
  halfOpen(): void {
    this.#mode = "half-open";
    for (const link of this.#links) link.isDead = true;
  }

  /** New connections work again. */
  heal(): void {
    this.#mode = "open";
  }

  async close(): Promise<void> {
    for (const link of this.#links) reset(link);
    this.#server.close();
    await once(this.#server, "close");
  }

  #accept(client: Socket): void {
    client.on("error", () => {}); // the pump ends with it
    if (this.#mode === "away") {
      this.refused++;
      client.resetAndDestroy();
      return;
    }
    const server = new Socket({ allowHalfOpen: true });
    server.on("error", () => {});
    const link: Link = { client, server, notes: new Map(), passed: 0, isDead: this.#mode === "half-open", lingers: undefined };
    this.#links.add(link);
    for (const socket of [client, server]) socket.setNoDelay(true);
    if (!link.isDead) server.connect(this.#target, "127.0.0.1");
    server.once("error", () => link.isDead || client.destroy());
    void this.#pump(link, "upstream");
    void this.#pump(link, "downstream");
    for (const toxic of this.#toxics) this.#start(toxic, link);
    const forget = () => client.destroyed && server.destroyed && this.#links.delete(link);
    client.once("close", forget);
    server.once("close", forget);
    // What a dead connection's client does, the service never hears of; only we must not keep it.
    client.once("close", () => link.isDead && server.destroy());
  }

  async #pump(link: Link, direction: Direction): Promise<void> {
    const [from, to] = direction === "upstream" ? [link.client, link.server] : [link.server, link.client];
    try {
      // The end of one direction is not the end of the other.
      for await (const piece of from.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        if ((await this.#ask(piece, link, direction)) === "drop") continue;
        for (const [part, waitMs] of this.#slice(piece, direction)) {
          if (waitMs > 0) await sleep(waitMs);
          if (link.isDead) break;
          if (!to.write(part)) await once(to, "drain");
          link.passed += part.length;
        }
        if ([...this.#toxics].some((toxic) => toxic.kind === "limit_data" && link.passed >= toxic.bytes)) reset(link);
      }
      for (const toxic of this.#toxics) if (toxic.kind === "slow_close") await sleep(toxic.ms);
      await link.lingers;
      if (!link.isDead) to.end();
    } catch {
      await link.lingers;
      if (!link.isDead) to.destroy();
    }
  }

  async #ask(piece: Buffer, link: Link, direction: Direction): Promise<"drop" | undefined> {
    if (link.isDead) return "drop";
    for (const tap of this.#taps) if ((await tap(piece, link, direction)) === "drop") return "drop";
  }

  /** The parts of a piece, and how long each waits. */
  #slice(piece: Buffer, direction: Direction): readonly (readonly [Buffer, number])[] {
    let parts: (readonly [Buffer, number])[] = [[piece, 0]];
    for (const toxic of this.#toxics) {
      if (toxic.direction !== undefined && toxic.direction !== direction) continue;
      if (toxic.kind === "slicer") {
        parts = parts.flatMap(([part, wait]) =>
          Array.from(
            { length: Math.ceil(part.length / toxic.bytes) },
            (_, i) => [part.subarray(i * toxic.bytes, (i + 1) * toxic.bytes), i === 0 ? wait : toxic.ms] as const,
          ),
        );
      } else if (toxic.kind === "latency") {
        parts = parts.map(([part, wait], i) => [part, i === 0 ? wait + toxic.ms : wait]);
      } else if (toxic.kind === "bandwidth") {
        parts = parts.map(([part, wait]) => [part, wait + (1_000 * part.length) / toxic.bytesPerSecond]);
      }
    }
    return parts;
  }

  /** Toxics that are no matter of single pieces. */
  #start(toxic: Toxic, link: Link): void {
    if (toxic.kind !== "timeout" && toxic.kind !== "reset_peer") return;
    if (toxic.kind === "timeout") link.isDead = true;
    const timer = setTimeout(() => reset(link), toxic.ms);
    link.client.once("close", () => clearTimeout(timer));
  }
}

function reset({ client, server }: Link): void {
  for (const socket of [client, server]) {
    if (socket.readyState === "open") socket.resetAndDestroy();
    else socket.destroy();
  }
}
