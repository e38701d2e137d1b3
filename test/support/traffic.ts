import { randomUUID } from "node:crypto";
import { expect, vi } from "vitest";
import { type Partition, partitionsOf } from "../../src/bus/partition.ts";
import type { Bus } from "../../src/bus/port.ts";
import { Producer } from "../../src/bus/producer.ts";
import { openRedisBus } from "../../src/bus/redis/bus.ts";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/log.ts";
import { pipeline } from "../../src/dsl/pipeline.ts";
import { clickhouse } from "../../src/dsl/sinks.ts";
import { defineStream } from "../../src/dsl/stream.ts";
import { type Audit, audit } from "../../src/engine/audit.ts";
import { runWorker } from "../../src/engine/worker.ts";
import { thingHappened, thingRow, thingTable } from "./things.ts";
import { envelopeOf } from "./workbench.ts";

const keyCount = 40;
const patience = { timeout: 40_000, interval: 20 } as const;

/** What came of it. */
export interface Outcome {
  readonly sent: number;
  /** Events in the order in which they landed first; what is delivered again lands again. */
  readonly landed: readonly { readonly key: string; readonly n: number }[];
  readonly audit: Audit;
}

/** A producer that never rests and a worker, each with a bus of its own, which knows one server of the cluster. */
export class Traffic {
  readonly stream;
  readonly pipeline;
  readonly partitions: readonly Partition[];
  readonly #landed = new Map<number, Outcome["landed"][number]>();
  readonly #buses: Bus[] = [];
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>[] = [];
  #isPaused = false;
  #sent = 0;
  #stored = 0;

  constructor(name: string) {
    this.stream = defineStream(name, { events: [thingHappened], partitions: 8 });
    this.pipeline = pipeline(name)
      .from(this.stream)
      .to(clickhouse(thingTable("rows")), thingRow);
    this.partitions = partitionsOf(this.stream.plan);
  }

  async start(url: string): Promise<void> {
    const [forWorker, forProducer] = [await this.bus(url), await this.bus(url)];
    const sink = {
      inFlightRows: 0,
      write: async (rows: readonly unknown[]) => {
        for (const row of rows as Outcome["landed"]) if (!this.#landed.has(row.n)) this.#landed.set(row.n, row);
        return { rejected: [] };
      },
      close: async () => {},
    };
    const options = { instance: randomUUID(), pipelines: [this.pipeline.plan], leaseTtlMs: 3_000 };
    const deps = { bus: forWorker, clock: systemClock, logger: silentLogger, sinkFor: () => sink };
    const producer = new Producer(
      { stream: this.stream.plan, producer: randomUUID(), lingerMs: 2 },
      { bus: forProducer, clock: systemClock, logger: silentLogger, signal: this.#stop.signal },
    );
    this.#running.push(runWorker(options, deps, this.#stop.signal), this.#produce(producer));
  }

  async bus(url: string): Promise<Bus> {
    const bus = await openRedisBus({ url, logger: silentLogger });
    this.#buses.push(bus);
    return bus;
  }

  /** Resolves when so many more events have been acknowledged. */
  async acknowledges(count: number): Promise<void> {
    const goal = this.#stored + count;
    await vi.waitFor(() => expect(this.#stored).toBeGreaterThanOrEqual(goal), patience);
  }

  /** Sends nothing more, and resolves when all that was sent is acknowledged. */
  async pause(): Promise<void> {
    this.#isPaused = true;
    await vi.waitFor(() => expect(this.#stored).toBe(this.#sent), patience);
  }

  goOn(): void {
    this.#isPaused = false;
  }

  /** Waits until all that was acknowledged has landed and is settled, ends both, and says what came of it. */
  async outcome(): Promise<Outcome> {
    await this.pause();
    const bus = this.#buses[0] as Bus;
    const look = async () => {
      const states = await Promise.all(this.partitions.map((partition) => bus.state(partition, this.pipeline.plan.name)));
      expect(states.every(({ lagEntries, pendingEntries }) => lagEntries === 0 && pendingEntries === 0)).toBe(true);
    };
    await vi.waitFor(look, patience);
    this.#stop.abort();
    await Promise.all(this.#running);
    const result = { sent: this.#sent, landed: [...this.#landed.values()], audit: await audit(this.pipeline.plan, bus) };
    await this.close();
    return result;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#running);
    await Promise.all(this.#buses.map((one) => one.close()));
  }

  async #produce(producer: Producer): Promise<void> {
    while (!this.#stop.signal.aborted) {
      if (this.#isPaused) {
        await systemClock.sleep(5, this.#stop.signal);
        continue;
      }
      const n = this.#sent++;
      const { stored } = await producer.send(envelopeOf(n, "thing.happened", { key: `k${n % keyCount}`, n }, Date.now()));
      stored.then(
        () => this.#stored++,
        () => {},
      );
      if (n % 5 === 0) await systemClock.sleep(1, this.#stop.signal);
    }
  }
}
