import { partitionsOf } from "../bus/partition.ts";
import type { DeadLetter } from "../bus/port.ts";
import { silentLogger } from "../core/log.ts";
import { runWorker } from "../engine/worker.ts";
import { createLimits } from "../limit/limits.ts";
import { createMemoryBuckets } from "../limit/memory.ts";
import type { OwnSinkPlan, PipelinePlan } from "../plan/plan.ts";
import type { Sink } from "../sinks/port.ts";
import { CrashingBus, type Death } from "./crashing-bus.ts";
import type { TestLog } from "./test-log.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** Few, so that a test's handful of events meets what thousands do elsewhere. */
const portionEvents = 4;

export interface TestWorkerOptions {
  readonly pipelines: readonly PipelinePlan[];
  readonly clock: VirtualClock;
  readonly log: TestLog;
  readonly sinkFor: (plan: OwnSinkPlan) => Sink;
  /** Whether what the pipelines have set going rests too. @default it does */
  readonly isResting?: () => boolean;
}

/** Runs pipelines with the engine that runs them in production, on the virtual clock. */
export class TestWorker {
  readonly #options: TestWorkerOptions;
  readonly #limitFor: ReturnType<typeof createLimits>;
  #death: Death | undefined;

  constructor(options: TestWorkerOptions) {
    this.#options = options;
    const { clock } = options;
    this.#limitFor = createLimits({ clock, logger: silentLogger, buckets: createMemoryBuckets(clock) });
  }

  /** The worker of the next run dies, and another takes its place. */
  crash(at: Death): void {
    this.#death = at;
  }

  /** Until all is settled. */
  async run(): Promise<void> {
    while ((await this.#live()) === "died");
  }

  /** The dead letters of all that the pipelines read. */
  async deadLetters(): Promise<readonly DeadLetter[]> {
    const { pipelines, log } = this.#options;
    const partitions = new Map(pipelines.flatMap(({ sources }) => sources.flatMap(partitionsOf)).map((one) => [one.log, one]));
    const letters: DeadLetter[] = [];
    for (const partition of partitions.values()) for await (const letter of log.bus.deadLetters(partition)) letters.push(letter);
    return letters;
  }

  /** One worker, until all is settled or it dies. */
  async #live(): Promise<"done" | "died"> {
    const { pipelines, clock, log, sinkFor, isResting = () => true } = this.#options;
    const life = new CrashingBus(log.bus, this.#death);
    this.#death = undefined;
    const stop = new AbortController();
    const end = { failed: false };
    const running = runWorker(
      { instance: "test", pipelines, portionEvents },
      { bus: life.bus, clock, logger: silentLogger, sinkFor, limitFor: this.#limitFor },
      stop.signal,
    );
    running.catch(() => {
      end.failed = true;
    });
    const readers = pipelines.flatMap(({ sources }) => sources.flatMap(partitionsOf)).length;
    const isDone = async () => end.failed || life.isDead || (life.waiting === readers && isResting() && (await this.isSettled()));
    await clock.until(isDone);
    stop.abort();
    await clock.settle(running).catch((error) => {
      if (!life.isDead) throw error;
    });
    return life.isDead ? "died" : "done";
  }

  /** Whether all that is stored was read and is committed. */
  async isSettled(): Promise<boolean> {
    const { pipelines, log } = this.#options;
    const places = pipelines.flatMap(({ name, sources }) =>
      sources.flatMap(partitionsOf).map((partition) => ({ partition, name })),
    );
    const settled = await Promise.all(
      places.map(async ({ partition, name }) => {
        const { pendingEntries, lagEntries } = await log.bus.state(partition, name);
        const outbox = await log.bus.outbox(partition, name, { count: 1 });
        return pendingEntries === 0 && lagEntries === 0 && outbox.length === 0;
      }),
    );
    return settled.every(Boolean);
  }
}
