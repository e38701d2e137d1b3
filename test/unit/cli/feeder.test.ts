import { beforeEach, describe, expect, it } from "vitest";
import { encodeFrame } from "../../../src/bus/frame.ts";
import { MemoryBus } from "../../../src/bus/memory/bus.ts";
import { type Partition, partitionsOf, replayOf } from "../../../src/bus/partition.ts";
import type { Fence } from "../../../src/bus/port.ts";
import { Feeder } from "../../../src/cli/replay/feeder.ts";
import { type Part, rereadPartition } from "../../../src/cli/replay/reread.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { numbered } from "../../support/numbered.ts";
import { things } from "../../support/things.ts";
import { envelopeOf } from "../../support/workbench.ts";

const pipeline = "pipe";
const [partition] = partitionsOf(things().plan) as [Partition];
const nothing = { number: 0, reads: 0, counts: {}, deadLetters: [], keyed: undefined, derived: [], checkpoint: undefined };

let clock: VirtualClock;
let bus: MemoryBus;
let stop: AbortController;
beforeEach(() => {
  clock = new VirtualClock();
  bus = numbered(new MemoryBus(clock));
  stop = new AbortController();
});

const open = (rate = 1_000_000) => new Feeder({ bus, clock }, { rate, giveUpAfterMs: 30_000, signal: stop.signal });

async function own(): Promise<Fence> {
  const acquired = await bus.acquire(partition, pipeline, { owner: "w", ttlMs: 10_000_000 });
  if (acquired.kind !== "owned") throw new Error("taken");
  return { partition, pipeline, owner: "w", epoch: acquired.epoch, tenure: acquired.tenure };
}

/** Stores frames of ten events and gives all of them to the pipeline. */
async function stored(frames: number): Promise<Fence> {
  const fence = await own();
  for (let sequence = 0; sequence < frames; sequence++) {
    const events = Array.from({ length: 10 }, (_, n) => envelopeOf(sequence * 10 + n, "thing.happened", { key: "k", n }));
    await bus.append(partition, { producer: "p", incarnation: 1, sequence, ...encodeFrame(events) });
  }
  await bus.read(fence, { from: "new", after: "0-0", count: frames });
  return fence;
}

/** Takes up to `count` entries off the replay log, as its owner does. */
async function take(fence: Fence, count: number): Promise<number> {
  const again = { ...fence, partition: replayOf(partition, pipeline) };
  const read = await bus.read(again, { from: "new", after: "0-0", count });
  if (read.kind !== "entries") throw new Error(read.kind);
  await bus.commit(again, { ...nothing, entries: read.entries.map(({ id }) => id) });
  return read.entries.length;
}

const copy = (feeder: Feeder, part: Part, rate = 1_000_000) =>
  rereadPartition(bus, { partition, part }, { pipeline, rate, dryRun: false, feeder, signal: stop.signal });
const fresh = (): Part => ({ partition: partition.name, from: "0-0", until: null, entries: 0, events: 0 });

describe("feeding a replay log", () => {
  it("never puts more into it than is allowed to wait, and goes on when the owner has taken some", async () => {
    const fence = await stored(90);
    const part = fresh();
    let most = 0;
    let taken = 0;
    const copying = copy(open(), part);
    await clock.until(async () => {
      const backlog = await bus.replayBacklog(partition, pipeline);
      most = Math.max(most, backlog);
      if (backlog >= 30) taken += await take(fence, 8);
      return part.entries === 90;
    });
    await clock.settle(copying);
    expect(most).toBeGreaterThan(30);
    expect(most).toBeLessThanOrEqual(40);
    expect(taken + (await bus.replayBacklog(partition, pipeline))).toBe(90);
    expect(part).toMatchObject({ entries: 90, events: 900 });
  });

  it("gives up with a sentence when nobody takes anything for a while; what was copied stays and is known", async () => {
    await stored(60);
    const part = fresh();
    const began = clock.monotonic();
    await expect(clock.settle(copy(open(), part))).rejects.toMatchObject({
      code: "replay.stalled",
      message: expect.stringMatching(/40 entries wait .* 'pipe' beside things\/00, and nobody has taken one for 30 s/),
      hint: expect.stringContaining("Nothing is lost"),
    });
    expect(clock.monotonic() - began).toBeGreaterThan(30_000);
    expect(clock.monotonic() - began).toBeLessThan(31_000);
    expect(part).toMatchObject({ entries: 40, events: 400 });
    expect(await bus.replayBacklog(partition, pipeline)).toBe(40);
  });

  it("keeps waiting as long as something is taken, however slowly", async () => {
    const fence = await stored(41);
    const part = fresh();
    const copying = copy(open(), part);
    let next = 20_000;
    await clock.until(async () => {
      if (clock.monotonic() >= next) {
        next += 20_000;
        await take(fence, 1);
      }
      return part.entries === 41;
    });
    await clock.settle(copying);
    expect(clock.monotonic()).toBeGreaterThan(60_000);
  });

  it("keeps to its rate", async () => {
    await stored(30);
    const began = clock.monotonic();
    await clock.settle(copy(open(150), fresh(), 150));
    expect(clock.monotonic() - began).toBeGreaterThanOrEqual(1_900);
    expect(clock.monotonic() - began).toBeLessThan(2_100);
  });

  it("stops at once when it is told to", async () => {
    await stored(60);
    const part = fresh();
    const copying = copy(open(), part);
    await clock.until(() => part.entries === 40);
    stop.abort();
    await copying;
    expect(part.entries).toBe(40);
  });

  it("reads no further than the pipeline was given", async () => {
    await stored(5);
    await bus.append(partition, {
      producer: "q",
      incarnation: 1,
      sequence: 0,
      ...encodeFrame([envelopeOf(0, "thing.happened", {})]),
    });
    const part = fresh();
    await copy(open(), part);
    expect(part).toMatchObject({ entries: 5, events: 50 });
  });

  it("waits at the end until the owner has settled everything, but not where there is none", async () => {
    const fence = await stored(10);
    const feeder = open();
    await copy(feeder, fresh());
    const settled = feeder.settled();
    await clock.until(async () => (await take(fence, 3)) === 0);
    expect(await clock.settle(settled)).toBe(0);

    await copy(feeder, fresh());
    await bus.release(fence);
    expect(await feeder.settled()).toBe(10);
  });
});
