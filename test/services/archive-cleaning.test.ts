import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { app } from "../../pipelines/index.ts";
import { restoreDay } from "../../src/archive/restore.ts";
import { MemoryBus } from "../../src/bus/memory.ts";
import { partitionsOf } from "../../src/bus/partition.ts";
import { cleanLogs } from "../../src/cli/clean-logs.ts";
import { systemClock } from "../../src/core/clock.ts";
import { days } from "../../src/core/duration.ts";
import { openArchiveBench, type Shelf, table } from "../support/archive-shelf.ts";
import { collect } from "../support/collect.ts";

let archiving: Awaited<ReturnType<typeof openArchiveBench>>;
let shelf: Shelf;
beforeAll(async () => {
  archiving = await openArchiveBench();
  ({ shelf } = archiving);
}, 120_000);
afterAll(() => archiving.close(), 60_000);

const archive = (day: string) => archiving.archive(day);

const plan = app.plan;
const [stream] = plan.streams;
const [partition] = stream ? partitionsOf(stream) : [];

/** One dead letter of each of these ages in days. */
async function busWith(ages: readonly number[]) {
  if (!partition) throw new Error("the application has no stream");
  let now = Date.now();
  const bus = new MemoryBus({ ...systemClock, now: () => now });
  for (const [i, age] of ages.entries()) {
    now = Date.now() - days(age);
    const acquired = await bus.acquire(partition, "pipe", { owner: `one-${i}`, ttlMs: 1 });
    if (acquired.kind !== "owned") throw new Error(`the lease is ${acquired.kind}`);
    const letter = {
      entry: `${i}-0`,
      index: 0,
      stage: "admit",
      reason: "schema",
      error: "no",
      type: "t",
      eventId: `${age}`,
      original: "{}",
    };
    await bus.commit(
      { partition, pipeline: "pipe", owner: `one-${i}`, epoch: acquired.epoch, tenure: acquired.tenure },
      { number: 1, reads: 0, entries: [], counts: {}, deadLetters: [letter], derived: [], keyed: undefined, floor: undefined },
    );
    now += 2;
  }
  return { bus, left: async () => (await collect(bus.deadLetters(partition))).map(({ eventId }) => eventId) };
}

it("dead letters are kept for 30 days, or as long as is said, and counted", async () => {
  const { bus, left } = await busWith([100, 31, 29, 1]);
  const clean = () => cleanLogs({ app: plan, bus, archive: undefined, beat: () => {} });
  expect((await clean()).deadLetters).toEqual({ looked: 4, removed: 2 });
  expect(await left()).toEqual(["29", "1"]);
  vi.stubEnv("HEADRACE_DEAD_LETTER_DAYS", "20");
  expect((await clean()).deadLetters).toEqual({ looked: 2, removed: 1 });
  expect(await left()).toEqual(["1"]);
  vi.stubEnv("HEADRACE_DEAD_LETTER_DAYS", "soon");
  await expect(clean()).rejects.toThrow("HEADRACE_DEAD_LETTER_DAYS is 'soon'");
});

it("archives are kept for ever, or as long as is said; what is restored or under way is never removed", async () => {
  const [old, restored, open] = [shelf.freshDay(), shelf.freshDay(), shelf.freshDay()];
  for (const day of [old, restored, open]) await shelf.fill(day, 10);
  for (const day of [old, restored, open]) await archive(day);
  await restoreDay({ table, day: restored }, shelf.deps);
  await shelf.deps.tables().setState({ table, day: open, generation: 1 }, "dropping");
  const { bus } = await busWith([]);
  const clean = async () => (await cleanLogs({ app: plan, bus, archive: shelf.deps, beat: () => {} })).archives;
  expect(await clean()).toEqual({ looked: 3, removed: 0 });
  vi.stubEnv("HEADRACE_ARCHIVE_DAYS", "3000");
  expect(await clean()).toEqual({ looked: 3, removed: 0 });
  vi.stubEnv("HEADRACE_ARCHIVE_DAYS", "30");
  expect(await clean()).toEqual({ looked: 3, removed: 1 });
  expect((await shelf.deps.store.manifests({ table })).map(({ day }) => day)).toEqual([restored, open]);
  expect(await shelf.deps.store.files({ table, day: old, generation: 1 })).toEqual([]);
  await expect(restoreDay({ table, day: old }, shelf.deps)).rejects.toThrow("nothing in the archive");
}, 120_000);
