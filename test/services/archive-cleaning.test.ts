import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { app } from "../../pipelines/index.ts";
import { restoreDay } from "../../src/archive/restore.ts";
import { MemoryBus } from "../../src/bus/memory/bus.ts";
import { partitionsOf } from "../../src/bus/partition.ts";
import { keepLogs } from "../../src/cli/archive-settings.ts";
import { systemClock } from "../../src/core/clock.ts";
import { days } from "../../src/core/duration.ts";
import { cleanLogs } from "../../src/host/clean-logs.ts";
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
  let now: number | undefined;
  const bus = new MemoryBus({ ...systemClock, now: () => now ?? Date.now() });
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
      {
        number: 1,
        reads: 0,
        entries: [],
        counts: {},
        deadLetters: [letter],
        derived: [],
        keyed: undefined,
        checkpoint: undefined,
      },
    );
    now += 2;
  }
  now = undefined;
  return { bus, left: async () => (await collect(bus.deadLetters(partition))).map(({ eventId }) => eventId) };
}

it("dead letters are kept for 30 days, or as long as is said, and counted", async () => {
  const { bus, left } = await busWith([100, 31, 29, 1]);
  const clean = async () => cleanLogs({ app: plan, bus, archive: undefined, keep: keepLogs(), beat: () => {} });
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
  const clean = async () => (await cleanLogs({ app: plan, bus, archive: shelf.deps, keep: keepLogs(), beat: () => {} })).archives;
  expect(await clean()).toEqual({ looked: 3, removed: 0 });
  vi.stubEnv("HEADRACE_ARCHIVE_DAYS", "3000");
  expect(await clean()).toEqual({ looked: 3, removed: 0 });
  vi.stubEnv("HEADRACE_ARCHIVE_DAYS", "30");
  expect(await clean()).toEqual({ looked: 3, removed: 1 });
  expect((await shelf.deps.store.manifests({ table })).map(({ day }) => day)).toEqual([restored, open]);
  expect(await shelf.deps.store.files({ table, day: old, generation: 1 })).toEqual([]);
  await expect(restoreDay({ table, day: old }, shelf.deps)).rejects.toThrow("nothing in the archive");
}, 120_000);

it("nothing is removed by a clock that is not that of the server, which dates what it keeps", async () => {
  vi.stubEnv("HEADRACE_DEAD_LETTER_DAYS", "30");
  const { bus, left } = await busWith([29, 1]);
  const serverTime = bus.time.bind(bus);
  const clean = async () => cleanLogs({ app: plan, bus, archive: shelf.deps, keep: keepLogs(), beat: () => {} });
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + days(30) });
  bus.time = async () => Date.now() - days(30);
  await expect(clean()).rejects.toMatchObject({
    code: "config.environment",
    message: expect.stringMatching(/^the clock of Redis shows 20.* and this machine's 20.*: nothing is cleaned up/),
    hint: expect.stringContaining("NTP"),
  });
  // The same where the server's clock has jumped.
  vi.useRealTimers();
  bus.time = async () => Date.now() + days(30);
  await expect(clean()).rejects.toMatchObject({ code: "config.environment" });
  expect(await left()).toEqual(["29", "1"]);
  bus.time = serverTime;
  const day = shelf.freshDay();
  await shelf.fill(day, 10);
  await archive(day);
  vi.stubEnv("HEADRACE_ARCHIVE_DAYS", "30");
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() - days(40) });
  bus.time = async () => Date.now();
  await expect(clean()).rejects.toMatchObject({ message: expect.stringContaining("the clock of ClickHouse shows") });
  vi.useRealTimers();
  expect((await shelf.deps.store.manifests({ table, day })).length).toBe(1);
  vi.unstubAllEnvs();
}, 120_000);
