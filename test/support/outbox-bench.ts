import { expect } from "vitest";
import type { Envelope } from "../../src/bus/envelope.ts";
import { EntryFields } from "../../src/bus/fields.ts";
import { encodeFrame } from "../../src/bus/frame.ts";
import { MemoryBus } from "../../src/bus/memory/bus.ts";
import { type Partition, partitionsOf } from "../../src/bus/partition.ts";
import type { Bus, Fence, RelayedFrame } from "../../src/bus/port.ts";
import { silentLogger } from "../../src/core/log.ts";
import { Relay } from "../../src/engine/commit/relay.ts";
import { noTelemetry } from "../../src/telemetry/port.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { decodeAll } from "./decode-all.ts";
import { things } from "./things.ts";
import { envelopeOf } from "./workbench.ts";

export const [source] = partitionsOf(things().plan) as [Partition];
/** The logs that are derived to. */
export const targets = partitionsOf({ ...things(3).plan, name: "targets" }) as [Partition, Partition, Partition];

/** An outbox on a bus in memory, with relays that can be disturbed. */
export class OutboxBench {
  readonly clock = new VirtualClock();
  readonly bus = new MemoryBus(this.clock);
  readonly said: string[] = [];
  /** Of the last commit. */
  number = 0;
  /** Records of the outbox that nobody can read. */
  garbled = new Set<string>();
  onUnlinked = () => {};
  /** Called before a frame is sent. */
  onRelay = () => {};
  /** Called before frames are taken off. */
  onRelayed = () => {};
  /** Logs that take nothing, and why. */
  readonly closed = new Map<string, Error>();
  readonly relayed: string[] = [];
  fence = undefined as unknown as Fence;

  async own(): Promise<Fence> {
    this.number = 0;
    const acquired = await this.bus.acquire(source, "pipe", { owner: "w", ttlMs: 60_000 });
    if (acquired.kind !== "owned") throw new Error("taken");
    return { partition: source, pipeline: "pipe", owner: "w", epoch: acquired.epoch, tenure: acquired.tenure };
  }

  /** One frame for each list of numbers. */
  async derive(to: Partition, ...frames: readonly (readonly number[])[]): Promise<void> {
    for (const numbers of frames)
      await this.commit(
        to,
        numbers.map((n) => envelopeOf(n, "thing.happened", { key: "k", n })),
      );
  }

  /** One frame. */
  async commit(to: Partition, envelopes: readonly Envelope[]): Promise<void> {
    const { fence, bus } = this;
    const nothing = { reads: 0, entries: [], counts: {}, deadLetters: [], keyed: undefined, checkpoint: undefined };
    const derived = [{ to, frame: encodeFrame(envelopes) }];
    expect(await bus.commit(fence, { ...nothing, number: ++this.number, derived })).toBe("committed");
  }

  start() {
    const [stop, gone] = [new AbortController(), new AbortController()];
    const say = (fields: object, text: string) => void this.said.push(`${text} ${JSON.stringify(fields)}`);
    const relay = new Relay(
      this.fence,
      { bus: this.#disturbed(), clock: this.clock, logger: { ...silentLogger, warn: say, error: say }, telemetry: noTelemetry },
      { stop: stop.signal, gone: gone.signal, history: { known: { commits: this.number, reads: 0 } } },
    );
    return { relay, stop, gone };
  }

  numbersIn(log: Partition): readonly number[] {
    const entries = this.bus.entriesOf(log);
    return entries.flatMap(({ fields }) =>
      decodeAll(new EntryFields(fields)).map(({ data }) => (data as { readonly n: number }).n),
    );
  }

  /** The logs that what is in the outbox is for. */
  async waiting(): Promise<readonly (string | undefined)[]> {
    return (await this.#records()).map(({ to }) => to?.name);
  }

  /** The id of record number `at` of those for a log. */
  async recordOf(to: Partition, at: number): Promise<string> {
    return (await this.#records()).filter((record) => record.to === to)[at]?.id as string;
  }

  #records() {
    return this.bus.outbox(source, "pipe", { count: 1_000 });
  }

  #disturbed(): Bus {
    const outbox = async (target: Bus, of: Parameters<Bus["outbox"]>) =>
      (await target.outbox(...of)).map((record) =>
        this.garbled.has(record.id) ? ({ id: record.id, to: undefined, fault: "garbled" } as const) : record,
      );
    const relay = async (target: Bus, frame: RelayedFrame) => {
      const error = this.closed.get(frame.to.log);
      if (error) throw error;
      this.relayed.push(frame.to.name);
      this.onRelay();
      const answer = await target.relay(frame);
      if (answer.kind === "unlinked") this.onUnlinked();
      return answer;
    };
    return new Proxy(this.bus as Bus, {
      get: (target, property: keyof Bus) => {
        if (property === "outbox") return (...of: Parameters<Bus["outbox"]>) => outbox(target, of);
        if (property === "relay") return (frame: RelayedFrame) => relay(target, frame);
        if (property !== "relayed") return (target[property] as () => unknown).bind(target);
        return (...of: Parameters<Bus["relayed"]>) => {
          this.onRelayed();
          return target.relayed(...of);
        };
      },
    });
  }
}

/** A bench whose partition is owned. */
export async function openOutboxBench(): Promise<OutboxBench> {
  const bench = new OutboxBench();
  bench.fence = await bench.own();
  return bench;
}
