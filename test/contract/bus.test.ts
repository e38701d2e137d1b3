import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeFrame } from "../../src/bus/frame.ts";
import { packStates } from "../../src/bus/packed-states.ts";
import { type Partition, replayOf } from "../../src/bus/partition.ts";
import type { Bus, Commit, Fence, OutboxEntry } from "../../src/bus/port.ts";
import {
  envelope,
  frame,
  freshAdopted,
  freshPartition,
  nothing,
  outboxOn,
  ownOn,
  readNewOn,
  readPendingOn,
  type Twin,
  twins,
} from "../support/bus-twins.ts";
import { collect } from "../support/collect.ts";

describe.each(Object.entries(twins))("the bus %s", (_, open) => {
  let twin: Twin;
  let bus: Bus;
  beforeAll(async () => {
    twin = await open();
    bus = twin.bus;
  });
  afterAll(() => twin.close());

  const own = (partition: Partition, owner = "w1", ttlMs = 60_000) => ownOn(bus, partition, { owner, ttlMs });
  const readNew = (fence: Fence, count?: number) => readNewOn(bus, fence, count);

  it("gives a lease to one owner at a time", async () => {
    const partition = freshPartition();
    await own(partition, "w1");
    const second = await bus.acquire(partition, "pipe", { owner: "w2", ttlMs: 60_000 });
    expect(second).toMatchObject({ kind: "taken", owner: "w1" });
  });

  it.each([
    ["another owner", "w2"],
    // The epoch alone tells them apart: what it sent before it lost its lease, and got it back, may still be under way.
    ["the same owner", "w1"],
  ])("raises the epoch for %s, and fences what is sent under the former one", async (_, next) => {
    const partition = freshPartition();
    const first = await own(partition, "w1");
    for (let n = 0; n < 2; n++) await bus.append(partition, frame(n));
    const [entry] = await readNew(first, 1);
    await bus.release(first);
    const second = await own(partition, next);
    expect(second.epoch).toBe(first.epoch + 1);
    expect(await bus.read(first, { from: "new", after: "0-0", count: 1 })).toEqual({ kind: "fenced" });
    expect(await bus.read(first, { from: "pending", after: "0-0", count: 1, suspects: 8 })).toEqual({ kind: "fenced" });
    expect(await bus.commit(first, { ...nothing, entries: [entry?.id ?? ""], counts: { delivered: 3 } })).toBe("fenced");
    expect((await bus.state(partition, "pipe")).counts).toEqual({ read: 3 });
    expect(await bus.renew(first, 60_000)).toBe(false);
    expect(await bus.states(first, ["cart\nc1"])).toBe("fenced");
    await bus.release(first);
    expect(await bus.acquire(partition, "pipe", { owner: "w3", ttlMs: 60_000 })).toMatchObject({ kind: "taken", owner: next });
    expect(await readNew(second)).toHaveLength(1);
    expect(await bus.commit(second, { ...nothing, entries: [entry?.id ?? ""], counts: { delivered: 3 } })).toBe("committed");
  });

  it("prolongs a lease for as long as it is told", async () => {
    const partition = freshPartition();
    const first = await own(partition, "w1", 60_000);
    expect(await bus.renew(first, 120_000)).toBe(true);
    const left = await bus.acquire(partition, "pipe", { owner: "w2", ttlMs: 60_000 });
    expect(left).toMatchObject({ kind: "taken", owner: "w1" });
    expect(left.kind === "taken" && left.leftMs).toBeGreaterThan(60_000);
    expect(left.kind === "taken" && left.leftMs).toBeLessThanOrEqual(120_000);
  });

  it("lets another worker take over when a lease has run out", async () => {
    const partition = freshPartition();
    const first = await own(partition, "w1", 30);
    await expect.poll(async () => (await bus.acquire(partition, "pipe", { owner: "w2", ttlMs: 60_000 })).kind).toBe("owned");
    expect(await bus.renew(first, 60_000)).toBe(false);
  });

  it("keeps fields byte for byte", async () => {
    const partition = freshPartition();
    const fence = await own(partition);
    const stored = frame(0);
    await bus.append(partition, stored);
    const fields = (await readNew(fence))[0]?.fields ?? [];
    expect(fields.map((field, i) => (i < 19 ? String(field) : field))).toEqual([
      "v",
      "1",
      "pid",
      "p",
      "inc",
      "1",
      "fs",
      "0",
      "n",
      "3",
      "c",
      "j",
      "t0",
      String(stored.minTime),
      "t1",
      String(stored.maxTime),
      "h",
      stored.checksum,
      "d",
      stored.body,
    ]);
  });

  it("counts events when they are read, so that read and outcomes balance at any moment", async () => {
    const partition = freshPartition();
    const fence = await own(partition);
    await bus.append(partition, frame(0, 3));
    await twin.plain(partition, { data: "{}" });
    const read = await readNew(fence);
    expect(await bus.state(partition, "pipe")).toMatchObject({
      pendingEntries: 2,
      pendingEvents: 4,
      lagEntries: 0,
      counts: { read: 4 },
    });
    await bus.commit(fence, { ...nothing, entries: [read[0]?.id ?? ""], counts: { delivered: 2, "dropped:x": 1 } });
    expect(await bus.state(partition, "pipe")).toMatchObject({
      pendingEntries: 1,
      pendingEvents: 1,
      counts: { read: 4, delivered: 2, "dropped:x": 1 },
    });
  });

  it("makes a commit once, however often it is sent", async () => {
    const partition = freshPartition();
    const fence = await own(partition);
    await bus.append(partition, frame(0));
    const [entry] = await readNew(fence);
    const letter = {
      entry: entry?.id ?? "",
      index: 1,
      stage: "admit",
      reason: "schema",
      error: "no",
      type: "t",
      eventId: "e",
      original: "{}",
    };
    const commit: Commit = {
      ...nothing,
      entries: [entry?.id ?? ""],
      counts: { delivered: 3 },
      deadLetters: [letter],
      keyed: { states: packStates([{ name: "cart\nc1", json: "1" }]), timers: [], seen: [] },
    };
    expect(await bus.commit(fence, commit)).toBe("committed");
    expect(await bus.commit(fence, commit)).toBe("committed");
    expect((await bus.state(partition, "pipe")).counts).toEqual({ read: 3, delivered: 3 });
    expect(await collect(bus.deadLetters(partition))).toMatchObject([letter]);
    expect(await bus.states(fence, ["cart\nc1", "cart\nc2"])).toEqual(["1", null]);
  });

  it("keeps a whole entry in the dead letters with its own fields", async () => {
    const partition = freshPartition();
    const fence = await own(partition);
    const id = await twin.plain(partition, { data: "not json", more: "x" });
    await readNew(fence);
    const letter = {
      entry: id,
      index: 0,
      stage: "decode",
      reason: "not-json",
      error: "no",
      type: "",
      eventId: "e",
      original: undefined,
    };
    await bus.commit(fence, { ...nothing, entries: [id], deadLetters: [letter] });
    const [kept] = await collect(bus.deadLetters(partition));
    expect(kept).toMatchObject({ ...letter, pipeline: "pipe", partition: partition.name });
    expect(kept?.fields.map(([name, value]) => [name, String(value)])).toEqual([
      ["data", "not json"],
      ["more", "x"],
    ]);
  });

  it("stores a frame once, says where frames are missing, and lets a producer begin anew", async () => {
    const partition = freshPartition();
    expect(await bus.append(partition, frame(0))).toMatchObject({ kind: "stored" });
    expect(await bus.append(partition, frame(1))).toMatchObject({ kind: "stored" });
    expect(await bus.append(partition, frame(1))).toEqual({ kind: "duplicate" });
    expect(await bus.append(partition, frame(0))).toEqual({ kind: "duplicate" });
    // One that is missing is a gap as several are.
    for (const ahead of [3, 4]) expect(await bus.append(partition, frame(ahead))).toEqual({ kind: "gap", last: 1 });
    expect(await bus.append(partition, frame(0, 3, "p", 2))).toMatchObject({ kind: "stored" });
    expect(await bus.append(partition, frame(1, 3, "p", 1))).toEqual({ kind: "superseded", incarnation: 2 });
    expect(await bus.append(partition, frame(2, 3, "p", 1))).toEqual({ kind: "superseded", incarnation: 2 });
    expect(await readNew(await own(partition))).toHaveLength(3);
  });

  it("keeps what producers have missed, for every pipeline", async () => {
    const partition = freshPartition();
    expect(await bus.tellVanished(partition, 20)).toBe(20);
    expect(await bus.tellVanished(partition, 22)).toBe(42);
    expect(await bus.tellVanished(partition, 0)).toBe(42);
    expect(await bus.state(partition, "pipe")).toMatchObject({ vanished: 42, lost: { entries: 0, events: 0 } });
  });

  it("wakes a reader that waits, and one that came too late to hear", async () => {
    const partition = freshPartition();
    const fence = await own(partition);
    const { signal } = new AbortController();
    const waiting = bus.wait([{ partition, after: "0-0" }], 30_000, signal);
    await bus.append(partition, frame(0));
    await waiting;
    const [entry] = await readNew(fence);
    await bus.wait([{ partition, after: "0-0" }], 30_000, signal);
    const other = freshPartition();
    const both = Promise.all([
      bus.wait([{ partition, after: entry?.id ?? "" }], 30_000, signal),
      bus.wait([{ partition: other, after: "0-0" }], 30_000, signal),
    ]);
    await bus.append(other, frame(0));
    await bus.append(partition, frame(1));
    await both;
  });

  it("stops waiting when it is told to", async () => {
    const stop = new AbortController();
    const waiting = bus.wait([{ partition: freshPartition(), after: "0-0" }], 30_000, stop.signal);
    stop.abort();
    await waiting;
  });

  it("says what was removed before it was read, in entries at once and in events once the rest is read", async () => {
    const partition = freshPartition();
    const fence = await own(partition);
    const ids: string[] = [];
    for (let n = 0; n < 4; n++) {
      const appended = await bus.append(partition, frame(n, 10 + n));
      if (appended.kind === "stored") ids.push(appended.entry);
    }
    await readNew(fence, 1);
    await twin.remove(partition, ids.slice(1, 3));
    expect((await bus.state(partition, "pipe")).lost).toEqual({ entries: 2, events: 2 });
    expect(await readNew(fence)).toHaveLength(1);
    expect((await bus.state(partition, "pipe")).lost).toEqual({ entries: 2, events: 23 });
    await twin.plain(partition, { data: "{}" });
    await readNew(fence);
    expect((await bus.state(partition, "pipe")).lost).toEqual({ entries: 2, events: 23 });
  });

  it("begins a group that somebody removed again behind what is settled; who had something in hand is fenced", async () => {
    const partition = freshPartition();
    const fence = await own(partition);
    for (let n = 0; n < 4; n++) await bus.append(partition, frame(n));
    const [first, second] = await readNew(fence, 2);
    const settled = { ...nothing, entries: [first?.id ?? ""], counts: { delivered: 3 }, checkpoint: first?.id };
    await bus.commit(fence, settled);
    await twin.removeGroup(partition);
    expect(await bus.read(fence, { from: "new", after: "0-0", count: 100 })).toEqual({ kind: "fenced" });
    expect(await bus.commit(fence, { ...nothing, entries: [second?.id ?? ""], counts: { delivered: 3 } })).toBe("fenced");
    const successor = await own(partition);
    const again = await readNew(successor);
    expect(again.map(({ id }) => id)[0]).toBe(second?.id);
    expect(again).toHaveLength(3);
    const ids = again.map(({ id }) => id);
    await bus.commit(successor, { ...nothing, entries: ids, counts: { delivered: 9 }, checkpoint: ids.at(-1) });
    await twin.removeGroup(partition);
    expect(await readNew(successor)).toEqual([]);
    expect(await bus.state(partition, "pipe")).toMatchObject({
      pendingEvents: 0,
      lagEntries: 0,
      counts: { read: 12, delivered: 12 },
      lost: { entries: 0, events: 0 },
    });
  });

  it("shows keyed states to the present owner alone", async () => {
    const partition = freshPartition();
    const first = await own(partition, "w1");
    await bus.release(first);
    const second = await own(partition, "w2");
    expect(await bus.states(first, ["cart\nc1"])).toBe("fenced");
    expect(await bus.states(second, ["cart\nc1"])).toEqual([null]);
  });

  it("reads a replay log under the same fence and into the same ledger, and empties it", async () => {
    const partition = freshPartition();
    const fence = await own(partition);
    const replay = { ...fence, partition: replayOf(partition, "pipe") };
    await twin.plain(replay.partition, { data: "{}" });
    expect(await bus.state(partition, "pipe")).toMatchObject({ lagEntries: 1 });
    const [entry] = await readNew(replay);
    expect(await bus.state(partition, "pipe")).toMatchObject({ lagEntries: 0, pendingEntries: 1, pendingEvents: 1 });
    expect(await readNew(fence)).toEqual([]);
    await bus.commit(replay, { ...nothing, entries: [entry?.id ?? ""], counts: { delivered: 1 } });
    expect(await bus.state(partition, "pipe")).toMatchObject({
      pendingEntries: 0,
      counts: { read: 1, delivered: 1 },
      lost: { entries: 0, events: 0 },
    });
    await twin.removeGroup(replay.partition);
    expect(await readNew(replay)).toEqual([]);
  });

  it("counts an entry of an adopted stream as one event, also where it is a frame", async () => {
    const partition = freshAdopted();
    const fence = await own(partition);
    await twin.plain(partition, { data: "{}" });
    await bus.append(partition, frame(0, 3));
    const read = await readNew(fence);
    expect(read.map(({ events }) => events)).toEqual([1, 1]);
    expect(await bus.state(partition, "pipe")).toMatchObject({ pendingEvents: 2, counts: { read: 2 } });
    expect((await readPendingOn(bus, fence)).map(({ events }) => events)).toEqual([1, 1]);
    await bus.commit(fence, { ...nothing, entries: [read[0]?.id ?? ""], counts: { delivered: 1 } });
    expect(await bus.state(partition, "pipe")).toMatchObject({ pendingEvents: 1, counts: { read: 2, delivered: 1 } });
    await twin.removeGroup(partition);
    expect(await bus.read(fence, { from: "new", after: "0-0", count: 100 })).toEqual({ kind: "fenced" });
    expect(await readNew(await own(partition))).toHaveLength(2);
    expect(await bus.state(partition, "pipe")).toMatchObject({ pendingEvents: 2, counts: { read: 3, delivered: 1 } });
  });

  it("lets nobody who lost the lease take entries of an adopted stream away from its present owner", async () => {
    const partition = freshAdopted();
    const first = await own(partition, "w1");
    await bus.release(first);
    const second = await own(partition, "w2");
    const ids = [await twin.plain(partition, { data: "1" }), await twin.plain(partition, { data: "2" })];
    expect(await bus.read(first, { from: "new", after: "0-0", count: 1 })).toEqual({ kind: "fenced" });
    const answer = await bus.read(second, { from: "new", after: "0-0", count: 10 });
    const found = new Set(answer.kind === "entries" ? answer.entries.map(({ id }) => id) : []);
    if (answer.kind === "entries" && answer.stolen) for (const { id } of await readPendingOn(bus, second)) found.add(id);
    expect([...found].sort()).toEqual(ids);
    expect(await bus.state(partition, "pipe")).toMatchObject({ pendingEvents: 2, counts: { read: 2 } });
    expect(await bus.read(second, { from: "new", after: "0-0", count: 10 })).toMatchObject({ kind: "entries", entries: [] });
  });

  it("keeps derived frames in an outbox, numbered, until they are stored where they belong", async () => {
    const partition = freshPartition();
    const [one, two] = [freshPartition(), freshPartition()];
    const fence = await own(partition);
    const derived = (to: Partition, events: number) => ({ to, frame: encodeFrame([envelope(1), envelope(2)].slice(0, events)) });
    await bus.append(partition, frame(0));
    await bus.append(partition, frame(1));
    const [first, second] = await readNew(fence);
    const commit = {
      ...nothing,
      entries: [first?.id ?? ""],
      counts: { delivered: 3 },
      derived: [derived(one, 1), derived(two, 2)],
    };
    await bus.commit(fence, commit);
    await bus.commit(fence, commit);
    await bus.commit(fence, { ...nothing, entries: [second?.id ?? ""], derived: [derived(one, 2)] });
    const waiting = await outboxOn(bus, partition);
    expect(waiting.map(({ to, frame: { sequence, count } }) => [to, sequence, count])).toEqual([
      [one, 0, 1],
      [two, 0, 2],
      [one, 1, 2],
    ]);
    const relay = (entry: OutboxEntry) => bus.relay({ ...entry, without: 0, strays: 0, tenure: fence.tenure });
    for (const entry of waiting) expect(await relay(entry)).toEqual({ kind: "stored" });
    for (const entry of waiting.slice(1)) expect(await relay(entry)).toEqual({ kind: "duplicate" });
    await bus.relayed(fence, [waiting[0]?.id ?? "", waiting[2]?.id ?? ""], 0);
    expect((await bus.outbox(partition, "pipe", { count: 10 })).map(({ to }) => to)).toEqual([two]);
    await bus.relayed(
      fence,
      waiting.map(({ id }) => id),
      0,
    );
    expect(await bus.outbox(partition, "pipe", { count: 10 })).toEqual([]);
  });
});
