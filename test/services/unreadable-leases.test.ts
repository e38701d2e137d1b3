import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { packStates } from "../../src/bus/packed-states.ts";
import { keys, type Partition } from "../../src/bus/partition.ts";
import type { Bus, Commit, OutboxRecord } from "../../src/bus/port.ts";
import { openBusOnRedis } from "../support/bus-on-redis.ts";
import { frame, freshPartition, nothing, ownOn, readNewOn, readPendingOn } from "../support/bus-twins.ts";

let opened: Awaited<ReturnType<typeof openBusOnRedis>>;
let bus: Bus;
let redis: (typeof opened)["redis"];
beforeAll(async () => {
  opened = await openBusOnRedis();
  ({ bus, redis } = opened);
});
afterAll(() => opened?.close());

vi.setConfig({ testTimeout: 30_000 });
const garbage = "\u0000no number";

describe("a record of a lease that nobody can read", () => {
  const tooLarge = "9".repeat(20);
  const acquired = async (partition: Partition, owner: string) => {
    const taken = await bus.acquire(partition, "pipe", { owner, ttlMs: 60_000 });
    return taken.kind === "owned" ? taken : expect.fail(taken.kind);
  };

  it.each(
    [
      ["epoch", "tenure", "commits", "reads", "seen", "events", "names"].flatMap((field) =>
        [garbage, "", "-1", "1.5", "nan", "1e300", tooLarge].map((text) => [field, text] as const),
      ),
      [garbage, "$", "5", "0-99999999999999999999"].map((text) => ["floor", text] as const),
      [["until", garbage] as const, ["flight", garbage] as const, ["tenure", "8999999999999999"] as const],
    ].flat(),
  )("is made anew, and fences whoever had it (%s: %j)", async (field, text) => {
    const partition = freshPartition();
    const lease = keys.lease(partition, "pipe");
    const first = await ownOn(bus, partition);
    for (let n = 0; n < 3; n++) await bus.append(partition, frame(n));
    const [one, two] = await readNewOn(bus, first, 2);
    const counts = { delivered: 3 };
    const commit = { ...nothing, number: 1, reads: 1, entries: [one?.id as string], counts, floor: one?.id };
    expect(await bus.commit(first, commit)).toBe("committed");
    const name = field === "flight" ? `flight:${partition.log}` : field;
    await redis.hSet(lease, name, text);
    // Whoever has it is told at most that it has it no more.
    const known = { commits: 1, reads: 1 };
    const read = await bus.read(first, { from: "pending", after: "0-0", count: 10, suspects: 10, known });
    expect(["entries", "fenced"]).toContain(read.kind);

    const next = await acquired(partition, "w1");
    expect(next.unreadable).toEqual([field]);
    expect([next.epoch > first.epoch, next.tenure > first.tenure]).toEqual([true, true]);
    expect(await bus.commit(first, { ...commit, number: 2, entries: [two?.id as string] })).not.toBe("committed");
    const fence = { ...first, epoch: next.epoch, tenure: next.tenure };
    expect(await bus.renew(fence, 60_000)).toBe(true);
    expect(await readPendingOn(bus, fence)).toMatchObject([{ id: two?.id }]);
    const [three] = await readNewOn(bus, fence);
    const rest = { ...nothing, number: 1, reads: 1, entries: [two?.id as string, three?.id as string] };
    expect(await bus.commit(fence, { ...rest, counts: { delivered: 6 } })).toBe("committed");
    expect(await bus.state(partition, "pipe")).toMatchObject({
      counts: { read: 9, delivered: 9 },
      pendingEvents: 0,
      lost: { entries: 0, events: 0 },
    });
    expect((await acquired(partition, "w1")).unreadable).toBeUndefined();
  });

  it("gives no tenure again that it ever gave, also where the clock was put back", async () => {
    const partition = freshPartition();
    const lease = keys.lease(partition, "pipe");
    const ahead = 7e15;
    await redis.hSet(lease, { "tenure": garbage, "past": `${ahead}|4|4`, "out:there": `${ahead + 10}|3|7` });
    expect((await acquired(partition, "w1")).tenure).toBeGreaterThan(ahead + 10);
  });

  it("that tells no more which frame was the last for a log, makes a number that none had, and loses none of them", async () => {
    const [partition, to] = [freshPartition(), freshPartition()];
    const fence = await ownOn(bus, partition);
    const commit = (number: number) => bus.commit(fence, { ...nothing, number, derived: [{ to, frame: frame(number, 1) }] });
    expect(await commit(1)).toBe("committed");
    for (const [n, text] of [garbage, "1e9|0|0", `${tooLarge}|0|1`, `1|${tooLarge}|1`].entries()) {
      await redis.hSet(keys.lease(partition, "pipe"), `out:${to.log}`, text);
      expect(await commit(n + 2)).toBe("committed");
    }
    const records = await bus.outbox(partition, "pipe", { count: 10 });
    expect(records.map(({ to }) => to?.log)).toEqual(new Array(5).fill(to.log));
    const numbers = records.map((record) => (record.to ? record.frame.sequence : expect.fail(record.fault)));
    expect(new Set(numbers).size).toBe(5);
  });
});

it("what a log knows of an outbox, and somebody has made unreadable, is found in the log: no frame is there twice, and none is called gone", async () => {
  const [source, to] = [freshPartition(), freshPartition()];
  const fence = await ownOn(bus, source);
  const known = keys.producers(to);
  const relayed = async (record: OutboxRecord | undefined) => {
    if (!record?.to) return expect.fail("unreadable");
    await redis.hSet(known, record.frame.producer, garbage);
    return bus.relay({ ...record, without: 0, strays: 0, tenure: fence.tenure });
  };
  for (let n = 1; n < 3; n++) await bus.commit(fence, { ...nothing, number: n, derived: [{ to, frame: frame(n, 1) }] });
  const [one, two] = await bus.outbox(source, "pipe", { count: 10 });
  expect(await relayed(one)).toEqual({ kind: "stored" });
  expect(await relayed(one)).toEqual({ kind: "duplicate" });
  expect(await relayed(two)).toEqual({ kind: "stored" });
  expect(await redis.xLen(to.log)).toBe(2);
});

describe("a key that another program has made something else of", () => {
  const keyOf = {
    ledger: (partition: Partition) => keys.ledger(partition, "pipe"),
    open: (partition: Partition) => keys.open(partition, "pipe"),
    deadLetters: keys.deadLetters,
    states: (partition: Partition) => keys.states(partition, "pipe"),
    outbox: (partition: Partition) => keys.outbox(partition, "pipe"),
    timers: (partition: Partition) => keys.timers(partition, "pipe", { stage: "s", clock: "event" }),
    seen: (partition: Partition) => keys.seen(partition, "pipe", "s"),
    names: (partition: Partition) => keys.names(partition, "pipe", 3),
  };

  it.each(Object.entries(keyOf))(
    "has no half of a commit made, and is named; once it is gone, the whole is (%s)",
    async (name, of) => {
      const partition = freshPartition();
      const to = freshPartition();
      const fence = await ownOn(bus, partition);
      await bus.append(partition, frame(0));
      const [entry] = await readNewOn(bus, fence);
      const id = entry?.id as string;
      const key = of(partition);
      const kept = (await redis.exists(key)) > 0;
      if (kept) await redis.rename(key, `${key}:aside`);
      await (name === "names" ? redis.hSet(key, "a", "b") : redis.set(key, "of another type"));
      const letter = { entry: id, index: 0, stage: "s", reason: "r", error: "e", type: "t", eventId: "e", original: "{}" };
      const commit: Commit = {
        ...{ ...nothing, number: 1, reads: 1, entries: [id], counts: { "delivered": 2, "dead:r": 1 }, deadLetters: [letter] },
        derived: [{ to, frame: frame(0) }],
        keyed: {
          states: packStates([{ name: "s\nk", json: "{}" }]),
          timers: [{ stage: "s", clock: "event", member: "m", at: 1 }],
          seen: [{ set: "s", ids: ["00000000-0000-4000-8000-000000000001"], ttlMs: 60_000 }],
        },
        names: { page: 3, out: 0, ttlMs: 60_000, records: Buffer.alloc(12) },
      };
      const failure = await bus.commit(fence, commit).catch((error) => error);
      expect(failure).toMatchObject({ code: "redis.retry", message: expect.stringContaining(`'${key}' is a `) });
      expect(failure.hint).toContain("rename it");
      expect((await redis.xPending(partition.log, "pipe")).pending).toBe(1);

      await redis.del(key);
      if (kept) await redis.rename(`${key}:aside`, key);
      expect(await bus.commit(fence, commit)).toBe("committed");
      expect(await bus.state(partition, "pipe")).toMatchObject({
        counts: { "read": 3, "delivered": 2, "dead:r": 1 },
        pendingEvents: 0,
      });
      expect(await bus.states(fence, ["s\nk"])).toEqual(["{}"]);
      expect(await bus.seen(fence, [{ set: "s", ids: ["00000000-0000-4000-8000-000000000001"] }])).toEqual([[true]]);
      expect(await bus.timers(fence, { stage: "s", clock: "event", from: 0, count: 9 })).toEqual([{ member: "m", at: 1 }]);
      expect(await bus.outbox(partition, "pipe", { count: 9 })).toHaveLength(1);
      expect(await redis.xLen(keys.deadLetters(partition))).toBe(1);
    },
  );
});
