import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Envelope } from "../../../src/bus/envelope.ts";
import { MemoryBus } from "../../../src/bus/memory/bus.ts";
import { partitionsOf } from "../../../src/bus/partition.ts";
import type { Bus } from "../../../src/bus/port.ts";
import { Producer } from "../../../src/bus/producer.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { RetryableError } from "../../../src/core/errors.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { framesOf } from "../../support/frames-of.ts";
import { interpose } from "../../support/interpose.ts";
import { things } from "../../support/things.ts";
import { envelopeOf } from "../../support/workbench.ts";

/**
 * What may become of one append: its answer is lost; it does not get through; it takes long; its connection is given up, and
 * what stands in the server's socket is run later, when the frame has been sent again or even its successors are stored.
 */
type Fate = "fine" | "lost" | "refused" | "slow" | "late";
type Step = "send" | "send" | "flush" | "wait" | "restart" | "wipe";

const stream = things(2).plan;
const keyOf = (event: Envelope) => (event.data as { readonly key: string }).key;

/** A program that sends events through one producer after another of one name, and has only their word for what is stored. */
class Program {
  readonly #clock: VirtualClock;
  readonly #bus: Bus;
  readonly #acknowledged = new Set<string>();
  /** Sent by the present producer, in order. */
  #sent: Envelope[] = [];
  #producer: Producer;
  #stop = new AbortController();
  #count = 0;
  readonly resent = new Set<string>();

  constructor(clock: VirtualClock, bus: Bus) {
    this.#clock = clock;
    this.#bus = bus;
    this.#producer = this.#open();
  }

  get acknowledged(): ReadonlySet<string> {
    return this.#acknowledged;
  }

  async send(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const n = this.#count++;
      await this.#sendOne(envelopeOf(n, "thing.happened", { key: `k${n % 5}`, n }));
    }
  }

  flush(): void {
    this.#producer.flush().catch(() => {});
  }

  /** The process dies; the next one of the same name sends again what was not acknowledged to it. */
  async restart(): Promise<void> {
    this.#stop.abort();
    const left = this.#sent.filter(({ id }) => !this.#acknowledged.has(id));
    this.#sent = [];
    this.#stop = new AbortController();
    await this.#clock.advance(1);
    this.#producer = this.#open();
    for (const event of left) {
      this.resent.add(event.id);
      await this.#sendOne(event);
    }
  }

  close(): Promise<void> {
    return this.#producer.close();
  }

  #open(): Producer {
    const { signal } = this.#stop;
    const never = new Promise<never>(() => {});
    // The dead ask nothing and hear nothing; what they had asked may still be done.
    const bus = interpose(this.#bus, async (call) => {
      try {
        return await (signal.aborted ? never : call());
      } finally {
        if (signal.aborted) await never;
      }
    });
    return new Producer(
      { stream, producer: "p", lingerMs: 0, maxBufferedBytes: 3_000 },
      { bus, clock: this.#clock, logger: silentLogger },
    );
  }

  async #sendOne(event: Envelope): Promise<void> {
    const sending = this.#producer.send(event);
    this.flush();
    const { stored } = await this.#clock.settle(sending);
    this.#sent.push(event);
    stored.then(
      () => this.#acknowledged.add(event.id),
      () => {},
    );
  }
}

async function play(steps: readonly (readonly [Step, number])[], fates: readonly (readonly [Fate, number])[]) {
  const clock = new VirtualClock();
  let redis = new MemoryBus(systemClock);
  const left = [...fates];
  const front = new Proxy({} as Bus, {
    // Looked up when it is run: what is late arrives at the Redis that is there by then.
    get:
      (_, property: keyof Bus) =>
      (...args: unknown[]) =>
        (redis[property] as (...args: unknown[]) => unknown).apply(redis, args),
  });
  const bus = interpose(front, async (call, method) => {
    const [fate, ms] = (method === "append" && left.shift()) || (["fine", 0] as const);
    const away = () => new RetryableError("service.unreachable", fate);
    switch (fate) {
      case "fine":
        return call();
      case "refused":
        throw away();
      case "slow":
        await clock.sleep(ms);
        return call();
      case "lost":
        await call();
        throw away();
      case "late":
        void clock.sleep(ms).then(call);
        throw away();
      default:
        return fate satisfies never;
    }
  });
  const stored = async () =>
    Promise.all(partitionsOf(stream).map(async (partition) => (await framesOf(redis, partition)).flat()));
  const program = new Program(clock, bus);
  const wiped = new Set<string>();
  for (const [step, size] of steps) {
    if (step === "send") await program.send(size);
    if (step === "flush") program.flush();
    if (step === "wait") await clock.advance(size * 100);
    if (step === "restart") await program.restart();
    if (step === "wipe") {
      for (const { id } of (await stored()).flat()) wiped.add(id);
      redis = new MemoryBus(systemClock);
    }
  }
  await clock.settle(program.close());
  // What is late arrives in the end.
  await clock.advance(3_600_000);
  return { partitions: await stored(), program, wiped };
}

const steps = (...more: readonly Step[]) =>
  fc.array(fc.tuple(fc.constantFrom<Step>("send", "send", "flush", "wait", ...more), fc.integer({ min: 1, max: 12 })), {
    minLength: 1,
    maxLength: 12,
  });
const fates = fc.array(
  fc.tuple(fc.constantFrom<Fate>("fine", "lost", "refused", "slow", "late"), fc.integer({ min: 1, max: 8_000 })),
  { maxLength: 30 },
);

const numbers = (events: readonly Envelope[], key: string) =>
  events.filter((event) => keyOf(event) === key).map(({ data }) => (data as { readonly n: number }).n);
const firsts = (all: readonly number[]) => [...new Set(all)];
const ascending = (all: readonly number[]) => [...all].sort((a, b) => a - b);
const keys = ["k0", "k1", "k2", "k3", "k4"];

describe("over lost, late, slow and refused appends, a producer", () => {
  it("stores every event that it accepted once, and in the order of its key", async () => {
    await fc.assert(
      fc.asyncProperty(steps(), fates, async (plan, fortune) => {
        const { partitions, program } = await play(plan, fortune);
        const events = partitions.flat();
        expect(events.map(({ id }) => id).sort()).toEqual([...program.acknowledged].sort());
        for (const key of keys) {
          for (const partition of partitions) {
            const stored = numbers(partition, key);
            expect(stored).toEqual(ascending(firsts(stored)));
          }
        }
      }),
      { numRuns: 80 },
    );
  });

  it("loses nothing that it acknowledged over restarts under its name, and doubles only what was sent again", async () => {
    await fc.assert(
      fc.asyncProperty(steps("restart", "restart"), fates, async (plan, fortune) => {
        const { partitions, program } = await play(plan, fortune);
        const ids = partitions.flat().map(({ id }) => id);
        for (const id of program.acknowledged) expect(ids).toContain(id);
        const once = ids.filter((id) => !program.resent.has(id));
        expect(new Set(once).size).toBe(once.length);
        for (const key of keys) {
          for (const partition of partitions) {
            const stored = firsts(numbers(partition, key));
            expect(stored).toEqual(ascending(stored));
          }
        }
      }),
      { numRuns: 80 },
    );
  });

  it("stores once what an emptied Redis did not hold", async () => {
    await fc.assert(
      fc.asyncProperty(steps("wipe"), fates, async (plan, fortune) => {
        const { partitions, program, wiped } = await play(plan, fortune);
        const ids = partitions.flat().map(({ id }) => id);
        expect(new Set(ids).size).toBe(ids.length);
        for (const id of program.acknowledged) if (!wiped.has(id)) expect(ids).toContain(id);
      }),
      { numRuns: 80 },
    );
  });
});
