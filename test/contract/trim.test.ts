import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { outboxProducer, type Partition } from "../../src/bus/partition.ts";
import type { Bus, Entry, Fence } from "../../src/bus/port.ts";
import type { RetentionPlan } from "../../src/plan/plan.ts";
import { frame, freshPartition, nothing, ownOn, readNewOn, readPendingOn, type Twin, twins } from "../support/bus-twins.ts";

/** One thing that happens to a partition while it is trimmed. */
const trimStep = fc.oneof(
  fc.record({ kind: fc.constant("store" as const), group: fc.constant(0), count: fc.integer({ min: 1, max: 12 }) }),
  fc.record({ kind: fc.constant("read" as const), group: fc.nat(2), count: fc.integer({ min: 1, max: 15 }) }),
  fc.record({ kind: fc.constant("ack" as const), group: fc.nat(2), which: fc.nat(65_535) }),
  fc.record({
    kind: fc.constant("trim" as const),
    group: fc.constant(0),
    retention: fc.oneof(
      fc.record({ maxAgeMs: fc.constantFrom(0, 1, 5) }),
      fc.record({ maxEntries: fc.integer({ min: 1, max: 20 }) }),
      fc.record({ maxBytes: fc.integer({ min: 1, max: 20_000 }) }),
      fc.record({ maxAgeMs: fc.constantFrom(0, 60_000), maxEntries: fc.integer({ min: 1, max: 20 }) }),
    ),
  }),
);

describe.each(Object.entries(twins))("trimming the bus %s", (_, open) => {
  let twin: Twin;
  let bus: Bus;
  beforeAll(async () => {
    twin = await open();
    bus = twin.bus;
  });
  afterAll(() => twin.close());

  const group = (partition: Partition, pipeline = "pipe") => ownOn(bus, partition, { pipeline });
  const ack = (fence: Fence, entries: readonly string[]) => bus.commit(fence, { ...nothing, entries });
  /** Trims until there is no more to remove, as the engine does. */
  const trim = async (partition: Partition, retention: RetentionPlan, groups: readonly string[] = []) => {
    for (let removed = 0; ; ) {
      const trimmed = await bus.trim(partition, { retention, groups });
      removed += trimmed.removed;
      if (!trimmed.more) return { removed, held: trimmed.held };
    }
  };
  /** Lets the clock pass the time of the newest entry. */
  const tick = async () => {
    const from = Date.now();
    await expect.poll(() => Date.now(), { interval: 1 }).toBeGreaterThan(from + 1);
  };
  const fill = async (partition: Partition, count: number) => {
    for (let n = 0; n < count; n++) await twin.plain(partition, { data: String(n) });
  };
  const readNew = (fence: Fence, count?: number) => readNewOn(bus, fence, count);
  /** All of them: those that were given out often come one by one. */
  const readPending = async (fence: Fence) => {
    const entries: Entry[] = [];
    for (;;) {
      const some = await readPendingOn(bus, fence, { after: entries.at(-1)?.id });
      if (some.length === 0) return entries;
      entries.push(...some);
    }
  };

  it("trims what every group has finished with, up to the slowest one's first entry that it has not acked", async () => {
    const partition = freshPartition();
    const [fast, slow] = [await group(partition, "fast"), await group(partition, "slow")];
    await fill(partition, 10);
    await tick();
    const read = (await readNew(fast)).map(({ id }) => id);
    await ack(fast, read);
    const given = (await readNew(slow, 6)).map(({ id }) => id);
    await ack(slow, [...given.slice(0, 3), ...given.slice(4)]);
    expect(await trim(partition, { maxAgeMs: 0 })).toEqual({
      removed: 3,
      held: {
        group: "slow",
        entry: read[3],
        ageMs: expect.any(Number),
        pendingEntries: 1,
        lagEntries: 4,
        missing: false,
      },
    });
    expect((await readPending(slow)).map(({ id, fields }) => [id, fields?.length])).toEqual([[read[3], 2]]);
    expect((await readNew(slow)).map(({ id }) => id)).toEqual(read.slice(6));
    await ack(
      slow,
      read.filter((id) => id === read[3] || !given.includes(id)),
    );
    expect(await trim(partition, { maxAgeMs: 0 })).toEqual({ removed: 7, held: undefined });
  });

  it("keeps what is finished for as long as the retention says, and the newest entries up to its size", async () => {
    const partition = freshPartition();
    const fence = await group(partition);
    await fill(partition, 300);
    await tick();
    await ack(
      fence,
      (await readNew(fence, 300)).map(({ id }) => id),
    );
    expect(await trim(partition, { maxAgeMs: 60_000 })).toEqual({ removed: 0, held: undefined });
    expect(await trim(partition, { maxAgeMs: 60_000, maxEntries: 1_000 })).toEqual({ removed: 0, held: undefined });
    expect(await trim(partition, { maxEntries: 120 })).toEqual({ removed: 180, held: undefined });
    expect(await trim(partition, { maxEntries: 120 })).toEqual({ removed: 0, held: undefined });
    const bySize = await trim(partition, { maxBytes: 1 });
    expect(bySize.removed).toBeGreaterThan(0);
    expect(bySize.removed).toBeLessThanOrEqual(119);
    expect(await trim(partition, { maxEntries: 1 })).toEqual({ removed: 119 - bySize.removed, held: undefined });
    expect(await trim(partition, { maxAgeMs: 0 })).toEqual({ removed: 1, held: undefined });
  });

  it("removes nothing of a stream that nobody reads, of one that is not there, and before a group that is still to come", async () => {
    const partition = freshPartition();
    expect(await trim(partition, { maxAgeMs: 0, maxEntries: 1, maxBytes: 1 })).toEqual({ removed: 0, held: undefined });
    await fill(partition, 5);
    await tick();
    expect(await trim(partition, { maxAgeMs: 0, maxEntries: 1, maxBytes: 1 })).toEqual({ removed: 0, held: undefined });
    const first = await group(partition, "first");
    await ack(
      first,
      (await readNew(first)).map(({ id }) => id),
    );
    expect(await trim(partition, { maxAgeMs: 0 }, ["first", "second"])).toMatchObject({
      removed: 0,
      held: { group: "second", pendingEntries: 0, missing: true },
    });
    const second = await group(partition, "second");
    expect(await trim(partition, { maxEntries: 1 }, ["first", "second"])).toMatchObject({
      removed: 0,
      held: { group: "second", missing: false },
    });
    expect(await readNew(second)).toHaveLength(5);
  });

  it("never removes an entry that a group has not read or not acked, whatever the groups do and the retention says", async () => {
    const entryOf = ({ id }: Entry) => id;
    await fc.assert(
      fc.asyncProperty(fc.array(trimStep, { minLength: 10, maxLength: 60 }), async (steps) => {
        const partition = freshPartition();
        const fences = [await group(partition, "a"), await group(partition, "b"), await group(partition, "c")];
        const acked = fences.map(() => new Set<string>());
        const stored: string[] = [];
        let removed = 0;
        for (const step of steps) {
          const fence = fences[step.group % fences.length] as Fence;
          const done = acked[step.group % fences.length] as Set<string>;
          if (step.kind === "store") for (let n = 0; n < step.count; n++) stored.push(await twin.plain(partition, { data: "x" }));
          if (step.kind === "read") await readNew(fence, step.count);
          if (step.kind === "ack") {
            const pending = (await readPending(fence)).map(entryOf);
            const some = pending.filter((_, i) => (step.which >> (i % 16)) & 1);
            await ack(fence, some);
            for (const id of some) done.add(id);
          }
          if (step.kind === "trim") removed += (await trim(partition, step.retention)).removed;
        }
        for (const [i, fence] of fences.entries()) {
          const pending = await readPending(fence);
          expect(pending.filter(({ fields }) => fields === undefined)).toEqual([]);
          const left = [...pending, ...(await readNew(fence, 1_000))].map(entryOf);
          expect(left).toEqual(stored.filter((id) => !acked[i]?.has(id)));
        }
        const unfinished = stored.findIndex((id) => acked.some((done) => !done.has(id)));
        const finished = unfinished < 0 ? stored.length : unfinished;
        expect(removed).toBeLessThanOrEqual(finished);
        await tick();
        expect(removed + (await trim(partition, { maxAgeMs: 0 })).removed).toBe(finished);
      }),
      { seed: 20_261_125, numRuns: 60 },
    );
  });

  it("is no loss to anyone, and loses nothing for a group that comes later", async () => {
    const partition = freshPartition();
    const fence = await group(partition);
    for (let n = 0; n < 6; n++) await bus.append(partition, frame(n));
    await tick();
    const read = (await readNew(fence, 4)).map(({ id }) => id);
    await bus.commit(fence, { ...nothing, entries: read, checkpoint: read.at(-1) });
    expect((await trim(partition, { maxAgeMs: 0 })).removed).toBe(4);
    expect((await bus.state(partition, "pipe")).lost).toEqual({ entries: 0, events: 0 });
    const late = await group(partition, "late");
    expect((await bus.state(partition, "late")).lost).toEqual({ entries: 0, events: 0 });
    expect(await readNew(late)).toHaveLength(2);
    expect(await readNew(fence)).toHaveLength(2);
    for (const name of ["pipe", "late"]) expect((await bus.state(partition, name)).lost).toEqual({ entries: 0, events: 0 });
  });

  it("does not make a group lose anything that somebody removes, and that begins again behind what it has settled", async () => {
    const partition = freshPartition();
    const fence = await group(partition);
    for (let n = 0; n < 6; n++) await bus.append(partition, frame(n));
    const read = (await readNew(fence, 4)).map(({ id }) => id);
    await bus.commit(fence, { ...nothing, entries: read, checkpoint: read.at(-1) });
    expect((await trim(partition, { maxEntries: 4 })).removed).toBe(2);
    await twin.removeGroup(partition);
    expect(await readNew(fence)).toHaveLength(2);
    expect(await bus.state(partition, "pipe")).toMatchObject({ lagEntries: 0, lost: { entries: 0, events: 0 } });
  });

  it("forgets no outbox, whose numbers go on for ever", async () => {
    const [from, to] = [freshPartition(), freshPartition()];
    const producer = outboxProducer(from, "pipe");
    await bus.append(to, frame(0, 3, producer));
    await bus.append(to, frame(0, 3, "other"));
    await tick();
    expect(await bus.forgetProducers(to, 0)).toBe(1);
    expect(await bus.append(to, frame(1, 3, producer))).toMatchObject({ kind: "stored" });
  });

  it("forgets a producer that has been silent, which may then begin a new incarnation", async () => {
    const partition = freshPartition();
    await bus.append(partition, frame(0, 3, "old"));
    await bus.append(partition, frame(1, 3, "old"));
    expect(await bus.forgetProducers(partition, 60_000)).toBe(0);
    expect(await bus.append(partition, frame(1, 3, "old"))).toEqual({ kind: "duplicate" });
    await tick();
    expect(await bus.forgetProducers(partition, 0)).toBe(1);
    expect(await bus.append(partition, frame(2, 3, "old"))).toEqual({ kind: "gap", last: -1 });
    expect(await bus.append(partition, frame(0, 3, "old", 2))).toMatchObject({ kind: "stored" });
    expect(await bus.append(partition, frame(0, 3, "old", 2))).toEqual({ kind: "duplicate" });
  });
});
