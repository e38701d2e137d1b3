import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeFrame } from "../../src/bus/frame.ts";
import { packStates } from "../../src/bus/packed-states.ts";
import { outboxProducer, type Partition } from "../../src/bus/partition.ts";
import type { Bus, Commit, Fence, OutboxEntry } from "../../src/bus/port.ts";
import { openEntry } from "../../src/engine/process/open-entry.ts";
import { envelope, frame, freshPartition, nothing, outboxOn, ownOn, readNewOn, type Twin, twins } from "../support/bus-twins.ts";
import { collect } from "../support/collect.ts";

/** Commits name their numbers here: nothing is numbered by itself. */
describe.each(Object.entries(twins))("going back, on the bus %s", (_, open) => {
  let twin: Twin;
  let bus: Bus;
  beforeAll(async () => {
    twin = await open();
    bus = twin.bus;
  });
  afterAll(() => twin.close());

  const own = (partition: Partition, owner = "w1") => ownOn(bus, partition, { owner });
  const entriesOf = async (fence: Fence, count = 100) => (await readNewOn(bus, fence, count)).map(({ id }) => id);
  const commitOf = (number: number, entries: readonly string[], rest: Partial<Commit> = {}): Commit => ({
    ...nothing,
    number,
    entries,
    counts: { delivered: 3 * entries.length },
    ...rest,
  });
  const stateOf = (json: string) => ({ states: packStates([{ name: "s\na", json }]), timers: [], seen: [] });
  const behind = (commits: number, reads: number) => ({ kind: "went-back", left: { commits, reads } });
  /** A partition with frames of 3 events, its owner, and the entries that it was given. */
  const begun = async (frames = 4, count = frames) => {
    const partition = freshPartition();
    const fence = await own(partition);
    for (let n = 0; n < frames; n++) await bus.append(partition, frame(n));
    return { partition, fence, entries: await entriesOf(fence, count) };
  };

  it("takes a commit as the next of its chain alone, and dismisses an owner that knows of others", async () => {
    const { partition, fence, entries } = await begun();
    const [a, b] = entries as [string, string];
    expect(await bus.commit(fence, commitOf(1, [a]))).toBe("committed");
    const { epoch } = await bus.state(partition, "pipe");
    expect(await bus.commit(fence, commitOf(3, [b]))).toEqual(behind(1, 1));
    expect(await bus.state(partition, "pipe")).toMatchObject({ owner: undefined, epoch: epoch + 1, pendingEvents: 9 });
    expect((await bus.state(partition, "pipe")).counts).toEqual({ read: 12, delivered: 3 });
    expect(await bus.commit(fence, commitOf(2, [b]))).toBe("fenced");
    expect(await bus.read(fence, { from: "new", after: "0-0", count: 1 })).toEqual({ kind: "fenced" });
    expect(await own(partition, "w2")).toMatchObject({ owner: "w2" });
  });

  it("knows a commit again by its number and content; another one of that number is refused", async () => {
    const { partition, fence, entries } = await begun();
    const [a, b] = entries as [string, string];
    for (let n = 0; n < 3; n++) expect(await bus.commit(fence, commitOf(1, [a]))).toBe("committed");
    for (let n = 0; n < 3; n++) expect(await bus.commit(fence, commitOf(2, [], { keyed: stateOf("1") }))).toBe("committed");
    expect((await bus.state(partition, "pipe")).counts).toEqual({ read: 12, delivered: 3 });
    expect(await bus.commit(fence, commitOf(2, [b]))).toEqual(behind(2, 1));
    expect((await bus.state(partition, "pipe")).counts).toEqual({ read: 12, delivered: 3 });
  });

  it("does nothing of a commit whose entries are not all pending, and calls none of it done", async () => {
    const { partition, fence, entries } = await begun();
    const [a, b, c] = entries as [string, string, string];
    await bus.commit(fence, commitOf(1, [a]));
    const letter = { entry: b, index: 0, stage: "s", reason: "r", error: "e", type: "t", eventId: "e", original: "{}" };
    const rest = { keyed: stateOf("1"), deadLetters: [letter], derived: [{ to: freshPartition(), frame: frame(0) }] };
    expect(await bus.commit(fence, commitOf(2, [b, a, c], rest))).toEqual(behind(1, 1));
    expect(await bus.state(partition, "pipe")).toMatchObject({ pendingEvents: 9, counts: { read: 12, delivered: 3 } });
    expect(await collect(bus.deadLetters(partition))).toEqual([]);
    expect(await bus.peek(partition, "pipe", "s\na")).toBeNull();
    expect(await bus.outbox(partition, "pipe", { count: 1 })).toEqual([]);
  });

  it("refuses a commit of what was read and is unread again, and of what was committed and is not", async () => {
    const { partition, fence, entries } = await begun(4, 2);
    const [a, b] = entries as [string, string];
    const beforeRead = await twin.snapshot(partition);
    const more = await entriesOf(fence, 2);
    await beforeRead();
    expect(await bus.commit(fence, { ...commitOf(1, more), reads: 2 })).toEqual(behind(0, 1));
    const again = await own(partition);
    const beforeCommit = await twin.snapshot(partition);
    await bus.commit(again, commitOf(1, [a]));
    await beforeCommit();
    expect(await bus.commit(again, commitOf(2, [b]))).toEqual(behind(0, 0));
    const third = await own(partition);
    expect(await bus.commit(third, commitOf(1, [a, b]))).toBe("committed");
    expect(await bus.state(partition, "pipe")).toMatchObject({ pendingEvents: 0, counts: { read: 6, delivered: 6 } });
  });

  it("tells a reader that has nothing to commit", async () => {
    const { partition, fence } = await begun(2, 1);
    const putBack = await twin.snapshot(partition);
    const read = await bus.read(fence, { from: "new", after: "0-0", count: 1, known: { commits: 0, reads: 1 } });
    expect(read).toMatchObject({ kind: "entries", reads: 2 });
    await putBack();
    const known = { commits: 0, reads: 2 };
    expect(await bus.read(fence, { from: "new", after: "0-0", count: 1, known })).toEqual(behind(0, 1));
    expect(await bus.read(fence, { from: "new", after: "0-0", count: 1, known })).toEqual({ kind: "fenced" });
  });

  it("goes on where nothing was lost that the owner knew of: the answer was lost with what it answered", async () => {
    const { partition, fence, entries } = await begun(2, 1);
    const putBack = await twin.snapshot(partition);
    await entriesOf(fence, 1);
    await putBack();
    expect(await bus.commit(fence, { ...commitOf(1, entries), reads: 1 })).toBe("committed");
    expect(await entriesOf(fence)).toHaveLength(1);
    expect(await bus.state(partition, "pipe")).toMatchObject({ pendingEvents: 3, counts: { read: 6, delivered: 3 } });
  });

  it("never gives a tenure out twice: what was sent in one that is forgotten is refused also where owner and epoch are the same", async () => {
    const partition = freshPartition();
    await bus.append(partition, frame(0));
    await bus.release(await own(partition));
    const putBack = await twin.snapshot(partition);
    const forgotten = await own(partition);
    const entries = await entriesOf(forgotten);
    await putBack();
    expect(await bus.commit(forgotten, commitOf(1, entries))).toEqual(behind(0, 0));
    // Tenures are of their time, to about two milliseconds.
    await sleep(5);
    const again = await own(partition);
    expect(again).toMatchObject({ owner: forgotten.owner, epoch: forgotten.epoch });
    expect(again.tenure).toBeGreaterThan(forgotten.tenure);
    expect(await entriesOf(again)).toEqual(entries);
    expect(await bus.commit(forgotten, commitOf(1, entries))).not.toBe("committed");
    expect(await bus.read(forgotten, { from: "new", after: "0-0", count: 1 })).not.toMatchObject({ kind: "entries" });
    expect(await bus.renew(forgotten, 1_000)).toBe(false);
    expect(await bus.commit(again, commitOf(1, entries))).toBe("committed");
  });

  it("tells an owner whose commits are forgotten also when another one has come since", async () => {
    const { partition, fence, entries } = await begun(2);
    const putBack = await twin.snapshot(partition);
    await bus.commit(fence, commitOf(1, entries));
    await putBack();
    await bus.release(fence);
    await own(partition, "w2");
    expect(await bus.commit(fence, commitOf(2, []))).toEqual(behind(0, 1));
    const known = { commits: 1, reads: 1 };
    expect(await bus.read(fence, { from: "new", after: "0-0", count: 1, known })).toEqual(behind(0, 1));
    expect(await bus.read(fence, { from: "new", after: "0-0", count: 1 })).toEqual({ kind: "fenced" });
  });

  it("fences what an owner sent before it lost the lease, also when it has the lease again", async () => {
    const { partition, fence, entries } = await begun(1);
    await bus.release(fence);
    const again = await own(partition);
    expect(await bus.commit(fence, commitOf(1, entries))).toBe("fenced");
    expect(await bus.commit(fence, commitOf(1, [], { keyed: stateOf("1") }))).toBe("fenced");
    expect(await bus.read(fence, { from: "new", after: "0-0", count: 1 })).toEqual({ kind: "fenced" });
    expect(await bus.states(fence, ["s\na"])).toBe("fenced");
    expect(await bus.commit(again, commitOf(1, entries))).toBe("committed");
  });

  it("forgets everything when it is emptied, and says so", async () => {
    const partition = freshPartition();
    const empty = await twin.snapshot(partition);
    const fence = await own(partition);
    await empty();
    expect(await bus.commit(fence, commitOf(1, []))).toEqual(behind(0, 0));
  });

  it("counts what was read and is gone, and what was derived and is gone", async () => {
    const partition = freshPartition();
    await bus.tellVanished(partition, 5);
    await bus.tellVanished(partition, 7, { pipeline: "pipe", kind: "given" });
    await bus.tellVanished(partition, 2, { pipeline: "pipe", kind: "derived" });
    expect((await bus.state(partition, "pipe")).vanished).toBe(9);
    expect((await bus.state(partition, "other")).vanished).toBe(5);
  });

  it("counts the entries of a range, and gives the newest ones first", async () => {
    const { partition, entries } = await begun(4);
    const [a, b, c, d] = entries as [string, string, string, string];
    expect(await bus.count(partition, b, d)).toBe(3);
    expect(await bus.count(freshPartition(), a, d)).toBe(0);
    const ids = async (before: string | undefined) => (await bus.newest(partition, { before, count: 2 })).map(({ id }) => id);
    expect(await ids(undefined)).toEqual([d, c]);
    expect(await ids(c)).toEqual([b, a]);
    expect(await ids(a)).toEqual([]);
  });

  describe("with derived events", () => {
    /** An owner that has derived one frame of two events for each number of `frames`. */
    const derived = async (frames: number) => {
      const [partition, to] = [freshPartition(), freshPartition()];
      const fence = await own(partition);
      for (let n = 1; n <= frames; n++) await derive(fence, to, n);
      return { partition, to, fence };
    };
    const derive = (fence: Fence, to: Partition, number: number, id = number) =>
      bus.commit(
        fence,
        commitOf(number, [], { derived: [{ to, frame: encodeFrame([envelope(2 * id), envelope(2 * id + 1)]) }] }),
      );
    const outbox = (partition: Partition) => outboxOn(bus, partition);
    const relay = ({ tenure }: Fence, entry: OutboxEntry | undefined, rest = {}) =>
      bus.relay({ ...(entry as OutboxEntry), without: 0, strays: 0, tenure, ...rest });
    const relayed = async (fence: Fence, entries: readonly OutboxEntry[]) => {
      for (const entry of entries) expect(await relay(fence, entry)).toEqual({ kind: "stored" });
      const ids = entries.map(({ id }) => id);
      expect(await bus.relayed(fence, ids, 0)).toBe(true);
    };
    const linkOf = (entry: OutboxEntry | undefined) => ({
      incarnation: entry?.frame.incarnation,
      sequence: entry?.frame.sequence,
    });

    it("chains the frames for each log over all its owners, and pages the outbox", async () => {
      const { partition, to, fence } = await derived(2);
      await bus.release(fence);
      const second = await own(partition, "w2");
      await derive(second, to, 1);
      const [a, b, c] = await outbox(partition);
      expect([a, b, c].map((entry) => [entry?.frame.incarnation, entry?.frame.sequence, entry?.sum])).toEqual([
        [fence.tenure, 0, 0],
        [fence.tenure, 1, 2],
        [second.tenure, 2, 4],
      ]);
      expect([a?.after, b?.after, c?.after]).toEqual([undefined, linkOf(a), linkOf(b)]);
      expect((await outboxOn(bus, partition, { after: a?.id as string, count: 1 })).map(({ id }) => id)).toEqual([b?.id]);
      await relayed(second, [a, b, c] as OutboxEntry[]);
      expect(await relay(second, c)).toEqual({ kind: "duplicate" });
    });

    it("takes no frame for another one of its number, when the outbox has gone back", async () => {
      const { partition, to, fence } = await derived(1);
      await relayed(fence, await outbox(partition));
      const putBack = await twin.snapshot(partition);
      await derive(fence, to, 2);
      await relayed(fence, await outbox(partition));
      await putBack();
      const again = await own(partition);
      await derive(again, to, 1, 9);
      const [entry] = await outbox(partition);
      expect(entry?.frame.sequence).toBe(1);
      const answer = await relay(again, entry);
      expect(answer).toEqual({ kind: "unlinked", last: { incarnation: fence.tenure, sequence: 1, sum: 4 } });
      const last = answer.kind === "unlinked" ? answer.last : undefined;
      expect(await relay(again, entry, { instead: { last: undefined, vanished: 0 } })).toMatchObject({ kind: "unlinked" });
      expect(await relay(again, entry, { instead: { last, vanished: 0 } })).toEqual({ kind: "stored" });
      expect(await relay(again, entry, { instead: { last, vanished: 0 } })).toEqual({ kind: "duplicate" });
      expect(await bus.newest(to, { before: undefined, count: 9 })).toHaveLength(3);
    });

    it("says which frame a log has last when the log has gone back, and counts what is gone once", async () => {
      const { partition, to, fence } = await derived(1);
      await relayed(fence, await outbox(partition));
      const putBack = await twin.snapshot(to);
      await derive(fence, to, 2);
      await relayed(fence, await outbox(partition));
      await putBack();
      await derive(fence, to, 3);
      const [entry] = await outbox(partition);
      expect(entry?.sum).toBe(4);
      const last = { incarnation: fence.tenure, sequence: 0, sum: 2 };
      expect(await relay(fence, entry)).toEqual({ kind: "unlinked", last });
      const instead = { last, vanished: 2 };
      expect(await relay(fence, entry, { instead })).toEqual({ kind: "stored" });
      expect(await relay(fence, entry, { instead })).toEqual({ kind: "duplicate" });
      expect((await bus.state(to, "any")).vanished).toBe(2);
      await derive(fence, to, 4);
      await relayed(fence, (await outbox(partition)).slice(1));
    });

    it("lets no former owner link its frames anew once a later one has", async () => {
      const { partition, to, fence } = await derived(2);
      const [a, b] = await outbox(partition);
      await relay(fence, a);
      await bus.release(fence);
      const later = await own(partition, "w2");
      const instead = { last: linkOf(a) as { incarnation: number; sequence: number }, vanished: 0 };
      await derive(later, to, 1);
      const c = (await outbox(partition))[2];
      expect(await relay(later, c, { instead })).toEqual({ kind: "stored" });
      expect(await relay(fence, b)).toEqual({ kind: "superseded" });
      expect(await relay(fence, b, { instead: { last: linkOf(c), vanished: 0 } })).toEqual({ kind: "superseded" });
    });

    it("keeps the number of a frame whose events are all there, without an entry", async () => {
      const { partition, to, fence } = await derived(2);
      const [a, b] = (await outbox(partition)) as [OutboxEntry, OutboxEntry];
      expect(await relay(fence, a, { frame: { ...a.frame, count: 0 }, without: 2 })).toEqual({ kind: "stored" });
      expect(await bus.newest(to, { before: undefined, count: 9 })).toEqual([]);
      expect(await relay(fence, b)).toEqual({ kind: "stored" });
      expect(await bus.newest(to, { before: undefined, count: 9 })).toHaveLength(1);
    });

    it("brings whose the events of a frame are to its log, also where it is linked anew", async () => {
      const { partition, to, fence } = await derived(0);
      const makers = ["a", "b", undefined, "a"];
      const frame = encodeFrame(makers.map((by, n) => ({ ...envelope(n), by })));
      const empty = await twin.snapshot(to);
      const derives = (number: number) => bus.commit(fence, commitOf(number, [], { derived: [{ to, frame }] }));
      await derives(1);
      await relayed(fence, await outbox(partition));
      await empty();
      await derives(2);
      const [entry] = await outbox(partition);
      expect(await relay(fence, entry)).toEqual({ kind: "unlinked", last: undefined });
      expect(await relay(fence, entry, { instead: { last: undefined, vanished: 4 } })).toEqual({ kind: "stored" });
      const entries = await readNewOn(bus, await own(to));
      const opened = entries.map((one) => openEntry(to, one));
      expect(opened.map(({ kind }) => kind)).toEqual(["opened"]);
      for (const one of opened) {
        if (one.kind !== "opened") continue;
        expect(makers.map((_, n) => one.envelopes.at(n)?.by)).toEqual(makers);
        const producers = makers.map((_, n) => one.producerOf(n));
        expect(producers[2]).toBe(outboxProducer(partition, "pipe"));
        expect(producers[3]).toBe(producers[0]);
        expect(new Set(producers).size).toBe(3);
      }
    });

    it("takes nothing off an outbox that has another owner, or has forgotten a commit", async () => {
      const { partition, to, fence } = await derived(1);
      const [entry] = (await outbox(partition)) as [OutboxEntry];
      const putBack = await twin.snapshot(partition);
      await derive(fence, to, 2);
      await putBack();
      expect(await bus.relayed(fence, [entry.id], 2)).toBe(false);
      await bus.release(fence);
      const later = await own(partition, "w2");
      expect(await bus.relayed(fence, [entry.id], 1)).toBe(false);
      expect(await outbox(partition)).toHaveLength(1);
      expect(await bus.relayed(later, [entry.id], 0)).toBe(true);
      expect(await outbox(partition)).toEqual([]);
    });

    it("remembers the ids of strays beside the log that holds them: they go back with it, and with nothing else", async () => {
      const { partition, to } = await derived(0);
      const before = await twin.snapshot(partition);
      await bus.rememberStrays(to, "outbox/a", []);
      await bus.rememberStrays(to, "outbox/a", ["a", "b"]);
      const between = await twin.snapshot(to);
      await bus.rememberStrays(to, "outbox/a", ["b", "c"]);
      await before();
      expect([...(await bus.strays(to, "outbox/a"))].sort()).toEqual(["a", "b", "c"]);
      expect((await bus.strays(to, "outbox/b")).size).toBe(0);
      await between();
      expect([...(await bus.strays(to, "outbox/a"))].sort()).toEqual(["a", "b"]);
    });

    it("takes a frame from nobody who knows of other strays than the log: neither one that fits nor one that is linked anew", async () => {
      const { partition, to, fence } = await derived(3);
      const [a, b, c] = (await outbox(partition)) as [OutboxEntry, OutboxEntry, OutboxEntry];
      const last = { ...linkOf(a), sum: 2 };
      await relay(fence, a);
      await bus.rememberStrays(to, a.frame.producer, ["x", "y"]);
      expect(await relay(fence, b)).toEqual({ kind: "unlinked", last });
      const instead = { last: linkOf(a), vanished: 2 };
      expect(await relay(fence, c, { instead })).toEqual({ kind: "unlinked", last });
      expect(await relay(fence, b, { strays: 2 })).toEqual({ kind: "stored" });
      expect(await relay(fence, b)).toEqual({ kind: "duplicate" });
      expect((await bus.state(to, "any")).vanished).toBe(0);
      expect(await bus.newest(to, { before: undefined, count: 9 })).toHaveLength(2);
    });
  });
});
