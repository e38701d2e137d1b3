import { randomUUID } from "node:crypto";
import type { Envelope } from "../../src/bus/envelope.ts";
import { encodeFrame } from "../../src/bus/frame.ts";
import { MemoryBus } from "../../src/bus/memory/bus.ts";
import { type Partition, partitionIndex, partitionsOf } from "../../src/bus/partition.ts";
import type { Bus } from "../../src/bus/port.ts";
import { uuidOf } from "../../src/core/hash.ts";
import { type Logger, silentLogger } from "../../src/core/log.ts";
import type { Pipeline } from "../../src/dsl/pipeline.ts";
import { type Audit, audit } from "../../src/engine/audit.ts";
import { runWorker, type WorkerOptions } from "../../src/engine/worker.ts";
import type { OwnSinkPlan, PipelinePlan, SinkPlan, StreamPlan } from "../../src/plan/plan.ts";
import { createMemorySink, type MemorySink } from "../../src/sinks/memory.ts";
import type { Sink } from "../../src/sinks/port.ts";
import type { StateRecord } from "../../src/state/record.ts";
import { noTelemetry, type Telemetry } from "../../src/telemetry/port.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { collect } from "./collect.ts";

export interface Running {
  /** Settles when the worker has ended. */
  readonly done: Promise<void>;
  /** Asks for an orderly end. */
  ask(): void;
  /** Asks for an orderly end and waits for it. */
  stop(): Promise<void>;
}

/** A bus in memory, a virtual clock and in-memory sinks: everything that workers need, and nothing that they can break for good. */
export class Workbench {
  readonly clock = new VirtualClock();
  readonly bus = new MemoryBus(this.clock);
  readonly #sinks = new Map<string, MemorySink>();
  readonly #frames = new Map<string, number>();

  /** The sink of a table or workflow, by its name. */
  sink(name: string): MemorySink {
    const sink = this.#sinks.get(name);
    if (!sink) throw new Error(`no worker has opened a sink '${name}'`);
    return sink;
  }

  /** Opens a sink before a worker does, so that a test can prepare it. */
  prepare(plan: SinkPlan): MemorySink {
    if (plan.kind === "stream") throw new Error("streams need no preparation");
    return this.sinkFor(plan) as MemorySink;
  }

  sinkFor(plan: OwnSinkPlan): Sink {
    const name = plan.kind === "clickhouse" ? plan.table.name : plan.call.kind === "start" ? plan.call.workflow : plan.call.name;
    const sink =
      this.#sinks.get(name) ?? createMemorySink({ clock: this.clock, ...(plan.kind === "clickhouse" && { table: plan.table }) });
    this.#sinks.set(name, sink);
    return sink;
  }

  start(
    pipelines: readonly Pipeline[],
    options: Partial<WorkerOptions> & { readonly bus?: Bus; readonly logger?: Logger; readonly telemetry?: Telemetry } = {},
  ): Running {
    const { bus = this.bus, logger = silentLogger, telemetry = noTelemetry, ...rest } = options;
    const stop = new AbortController();
    const done = runWorker(
      { instance: randomUUID(), ...rest, pipelines: pipelines.map(({ plan }) => plan) },
      { bus, clock: this.clock, logger, telemetry, sinkFor: (plan) => this.sinkFor(plan) },
      stop.signal,
    );
    done.catch(() => {}); // the test looks at it when it wants to
    return {
      done,
      stop: () => {
        stop.abort();
        return this.clock.settle(done);
      },
      ask: () => stop.abort(),
    };
  }

  /** Stores envelopes as frames of `perFrame` events, each in the partition of its key. */
  async send(stream: StreamPlan, envelopes: readonly Envelope[], perFrame = 3): Promise<void> {
    const partitions = partitionsOf(stream);
    for (const [index, partition] of partitions.entries()) {
      const mine = envelopes.filter((envelope) => partitionIndex(keyOf(stream, envelope), partitions.length) === index);
      for (let i = 0; i < mine.length; i += perFrame) await this.store(partition, mine.slice(i, i + perFrame));
    }
  }

  async store(partition: Partition, envelopes: readonly Envelope[]): Promise<void> {
    const sequence = this.#frames.get(partition.log) ?? 0;
    this.#frames.set(partition.log, sequence + 1);
    await this.bus.append(partition, { producer: "test", incarnation: 1, sequence, ...encodeFrame(envelopes) });
  }

  audit({ plan }: Pipeline): Promise<Audit> {
    return audit(plan, this.bus);
  }

  /** Moves time on until everything that was sent has been read and settled, and what was derived is where it belongs. */
  async drained(pipeline: Pipeline): Promise<Audit> {
    await this.clock.until(() => this.isDrained(pipeline));
    return this.audit(pipeline);
  }

  async isDrained({ plan }: Pipeline): Promise<boolean> {
    const states = await Promise.all(plan.sources.flatMap(partitionsOf).map((partition) => this.bus.state(partition, plan.name)));
    const outboxes = await Promise.all(
      plan.sources.flatMap(partitionsOf).map((partition) => this.bus.outbox(partition, plan.name, { count: 1 })),
    );
    return (
      states.every(({ lagEntries, pendingEntries }) => lagEntries === 0 && pendingEntries === 0) &&
      outboxes.every(({ length }) => length === 0)
    );
  }

  /** Keyed states by name, when no worker runs any more. */
  async states({ plan }: Pipeline, partition: Partition, names: readonly string[]): Promise<readonly unknown[]> {
    const acquire = () => this.bus.acquire(partition, plan.name, { owner: "test", ttlMs: 1_000 });
    let acquired = await acquire();
    if (acquired.kind === "taken") {
      // A worker that died has left its lease behind.
      await this.clock.advance(acquired.leftMs + 1);
      acquired = await acquire();
    }
    if (acquired.kind !== "owned") throw new Error(`${acquired.owner} still owns ${partition.name}`);
    const { epoch, tenure } = acquired;
    const fence = { partition, pipeline: plan.name, owner: "test", epoch, tenure };
    const states = await this.bus.states(fence, names);
    await this.bus.release(fence);
    return (states as readonly (string | null)[]).map((json) => (json === null ? null : (JSON.parse(json) as StateRecord).s));
  }

  async deadLetters({ sources }: PipelinePlan) {
    return (await Promise.all(sources.flatMap(partitionsOf).map((partition) => collect(this.bus.deadLetters(partition))))).flat();
  }
}

/** An envelope whose id comes from `n`. */
export const envelopeOf = (n: number, type: string, data: unknown, time = Date.UTC(2026, 0, 1)): Envelope => ({
  id: uuidOf(`event ${n}`),
  type,
  time,
  source: undefined,
  traceparent: undefined,
  data,
});

function keyOf(stream: StreamPlan, { type, data }: Envelope): string {
  const plan = stream.events.find((event) => event.type === type);
  try {
    return plan ? (plan.keyOf as (data: unknown) => string)(data) : "";
  } catch {
    return "";
  }
}
