import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EntryFields } from "../../src/bus/fields.ts";
import { originField } from "../../src/bus/origin.ts";
import { packStates } from "../../src/bus/packed-states.ts";
import { type Partition, replayOf } from "../../src/bus/partition.ts";
import { decodePlainEntry } from "../../src/bus/plain-entry.ts";
import type { Bus, DeadLetter, DeadLetterDraft, Entry, Fence } from "../../src/bus/port.ts";
import { uuidOf } from "../../src/core/hash.ts";
import {
  frame,
  freshAdopted,
  freshPartition,
  nothing,
  ownOn,
  readNewOn,
  readPendingOn,
  type Twin,
  twins,
} from "../support/bus-twins.ts";
import { collect } from "../support/collect.ts";

const draft = (entry: string, more: Partial<DeadLetterDraft> = {}): DeadLetterDraft => ({
  entry,
  index: 0,
  stage: "decode",
  reason: "not-json",
  error: "no",
  type: "",
  eventId: "e",
  original: undefined,
  ...more,
});
const textOf = (entry: Entry | undefined) => (entry?.fields ?? []).map(String);

describe.each(Object.entries(twins))("replaying on the bus %s", (_, open) => {
  let twin: Twin;
  let bus: Bus;
  beforeAll(async () => {
    twin = await open();
    bus = twin.bus;
  });
  afterAll(() => twin.close());

  const own = (partition: Partition, owner = "w1") => ownOn(bus, partition, { owner });
  /** The same right, for the replay log. */
  const replaying = (fence: Fence): Fence => ({ ...fence, partition: replayOf(fence.partition, fence.pipeline) });
  const read = (fence: Fence, count?: number) => readNewOn(bus, fence, count);
  const letters = (partition: Partition) => collect(bus.deadLetters(partition));
  const counts = async (partition: Partition) => (await bus.state(partition, "pipe")).counts;
  const setAside = async (fence: Fence, drafts: readonly DeadLetterDraft[]): Promise<readonly DeadLetter[]> => {
    const entries = [...new Set(drafts.map(({ entry }) => entry))];
    await bus.commit(fence, { ...nothing, entries, counts: { "deadLettered:not-json": drafts.length }, deadLetters: drafts });
    return letters(fence.partition);
  };
  const all = { from: { id: "0-0", inclusive: true }, until: "99999999999999-0", count: 100, dryRun: false } as const;

  describe("a dead letter", () => {
    it("moves with its original fields, and the replayed event keeps the id and time that it had from its first entry", async () => {
      const partition = freshPartition();
      const fence = await own(partition);
      const id = await twin.plain(partition, { more: "x", data: '{"type":"thing.happened","data":{}}' });
      await read(fence);
      const [letter] = await setAside(fence, [draft(id)]);
      expect(await bus.replayDeadLetter(partition, letter as DeadLetter)).toEqual({ kind: "moved", events: 1 });

      expect(await letters(partition)).toEqual([]);
      const again = replaying(fence);
      const [entry] = await read(again);
      const fields = ["more", "x", "data", '{"type":"thing.happened","data":{}}', originField, `${partition.log}\n${id}`];
      expect(textOf(entry)).toEqual(fields);
      expect(decodePlainEntry(again.partition, entry?.id as string, new EntryFields(entry?.fields ?? []))).toMatchObject({
        kind: "event",
        envelope: { id: uuidOf(`${partition.log}\n${id}`), time: Number(id.split("-")[0]) },
      });
      expect(await read(fence)).toEqual([]);

      // Set aside a second time, it still knows where it came from.
      const [second] = await setAside(again, [draft(entry?.id as string)]);
      await bus.replayDeadLetter(partition, second as DeadLetter);
      expect(textOf((await read(again))[0])).toEqual(fields);
      expect(await counts(partition)).toEqual({ read: 3, "deadLettered:not-json": 2, replayed: 2 });
    });

    it("that came out of a frame moves as a plain entry that holds the event under its own id", async () => {
      const partition = freshPartition();
      const fence = await own(partition);
      await bus.append(partition, frame(0, 3));
      const [stored] = await read(fence);
      const original = JSON.stringify({
        id: "event 1",
        type: "thing.happened",
        time: "2026-01-01T00:00:00.000Z",
        data: { n: 1 },
      });
      const [letter] = await setAside(fence, [draft(stored?.id as string, { index: 1, original })]);
      expect(await bus.replayDeadLetter(partition, letter as DeadLetter)).toEqual({ kind: "moved", events: 1 });
      const again = replaying(fence);
      const [entry] = await read(again);
      expect(textOf(entry)).toEqual(["data", original, originField, `${partition.log}\n${stored?.id}\n1`]);
      expect(decodePlainEntry(again.partition, entry?.id as string, new EntryFields(entry?.fields ?? []))).toMatchObject({
        kind: "event",
        envelope: { id: uuidOf("event 1"), time: Date.UTC(2026, 0, 1), data: { n: 1 } },
      });
    });

    it("that is a whole frame moves whole, byte for byte, and counts for its events", async () => {
      const partition = freshPartition();
      const fence = await own(partition);
      await bus.append(partition, { ...frame(0, 7), body: Buffer.from([0, 255, 10, 13, 128]) });
      const [stored] = await read(fence);
      const [letter] = await setAside(fence, [draft(stored?.id as string, { reason: "undecodable" })]);
      expect(await bus.replayDeadLetter(partition, letter as DeadLetter)).toEqual({ kind: "moved", events: 7 });
      const [entry] = await read(replaying(fence));
      expect(entry?.fields?.slice(0, -2)).toEqual(stored?.fields);
      expect(await counts(partition)).toMatchObject({ read: 14, replayed: 7 });
    });

    it("moves once, however often it is asked for, and one that is gone stays gone", async () => {
      const partition = freshPartition();
      const fence = await own(partition);
      const ids = [await twin.plain(partition, { data: "1" }), await twin.plain(partition, { data: "2" })];
      await read(fence);
      const [first, second] = (await setAside(
        fence,
        ids.map((id) => draft(id)),
      )) as [DeadLetter, DeadLetter];
      expect(await bus.replayDeadLetter(partition, first)).toEqual({ kind: "moved", events: 1 });
      expect(await bus.replayDeadLetter(partition, first)).toEqual({ kind: "gone" });
      expect(await bus.discardDeadLetter(partition, first)).toBe("gone");
      expect(await bus.discardDeadLetter(partition, second)).toBe("discarded");
      expect(await bus.discardDeadLetter(partition, second)).toBe("gone");
      expect(await bus.replayDeadLetter(partition, second)).toEqual({ kind: "gone" });
      expect(await read(replaying(fence))).toHaveLength(1);
      expect(await letters(partition)).toEqual([]);
      expect(await counts(partition)).toMatchObject({ replayed: 1, discarded: 1 });
    });

    it("is discarded with all the events of its frame", async () => {
      const partition = freshPartition();
      const fence = await own(partition);
      await bus.append(partition, frame(0, 12));
      const [stored] = await read(fence);
      const [letter] = await setAside(fence, [draft(stored?.id as string)]);
      expect(await bus.discardDeadLetter(partition, letter as DeadLetter)).toBe("discarded");
      expect(await counts(partition)).toMatchObject({ discarded: 12 });
    });

    it("of which nothing was kept stays where it is", async () => {
      const partition = freshPartition();
      const fence = await own(partition);
      const [id, trimmed] = [await twin.plain(partition, { data: "1" }), await twin.plain(partition, { data: "2" })];
      await read(fence);
      await twin.remove(partition, [trimmed]);
      const [letter] = await setAside(fence, [draft(id), draft(trimmed, { reason: "trimmed" })]).then((kept) => kept.slice(1));
      expect(await bus.replayDeadLetter(partition, letter as DeadLetter)).toEqual({ kind: "empty" });
      expect(await letters(partition)).toHaveLength(2);
      expect(await bus.discardDeadLetter(partition, letter as DeadLetter)).toBe("discarded");
    });

    it("that is set aside while others are looked through is not met in that round", async () => {
      const partition = freshPartition();
      const fence = await own(partition);
      const id = await twin.plain(partition, { data: "1" });
      await read(fence);
      await setAside(fence, [draft(id)]);
      const again = replaying(fence);
      let met = 0;
      for await (const letter of bus.deadLetters(partition)) {
        met++;
        await bus.replayDeadLetter(partition, letter);
        const [entry] = await read(again);
        await setAside(again, [draft(entry?.id as string)]);
      }
      expect(met).toBe(1);
      expect(await letters(partition)).toHaveLength(1);
    });
  });

  describe("a log that is read again", () => {
    it("is copied page by page, from a position on and no further than told, with what ids and times come from", async () => {
      const partition = freshPartition();
      const fence = await own(partition);
      const ids: string[] = [];
      for (let n = 0; n < 5; n++) ids.push(await twin.plain(partition, { data: `{"type":"thing.happened","data":${n}}` }));
      const [, second, third, fourth] = ids as [string, string, string, string];
      const page = await bus.reread(partition, "pipe", {
        ...all,
        from: { id: second, inclusive: true },
        until: fourth,
        count: 2,
      });
      expect(page).toEqual({ entries: 2, events: 2, last: third });
      const rest = { ...all, from: { id: third, inclusive: false }, until: fourth } as const;
      expect(await bus.reread(partition, "pipe", rest)).toEqual({ entries: 1, events: 1, last: fourth });
      const end = { ...all, from: { id: fourth, inclusive: false }, until: fourth } as const;
      expect(await bus.reread(partition, "pipe", end)).toEqual({ entries: 0, events: 0, last: undefined });

      const again = replaying(fence);
      const copies = await read(again);
      const known = copies.map(({ id, fields }) => decodePlainEntry(again.partition, id, new EntryFields(fields ?? [])));
      expect(known).toMatchObject(
        [second, third, fourth].map((id, i) => ({
          envelope: { id: uuidOf(`${partition.log}\n${id}`), time: Number(id.split("-")[0]), data: i + 1 },
        })),
      );
      expect(await counts(partition)).toEqual({ read: 3, reread: 3 });
      // The log itself is as it was, for this pipeline and all others.
      expect(await read(fence)).toHaveLength(5);
    });

    it("keeps frames byte for byte, and counts their events", async () => {
      const partition = freshPartition();
      const fence = await own(partition);
      await bus.append(partition, frame(0, 5));
      await bus.append(partition, frame(1, 4));
      const stored = await read(fence);
      expect(await bus.reread(partition, "pipe", all)).toMatchObject({ entries: 2, events: 9 });
      const copies = await read(replaying(fence));
      expect(copies.map(({ fields }) => fields?.slice(0, -2))).toEqual(stored.map(({ fields }) => fields));
      expect(await counts(partition)).toEqual({ read: 18, reread: 9 });
    });

    it("keeps the ids and times of an adopted stream's entries, and counts a frame among them for its events", async () => {
      const partition = freshAdopted();
      const fence = await own(partition);
      const id = await twin.plain(partition, { data: '{"type":"thing.happened","data":1}' });
      await bus.append(partition, frame(0, 3));
      await read(fence);
      expect(await bus.reread(partition, "pipe", all)).toMatchObject({ entries: 2, events: 4 });
      const [plain, framed] = await read(replaying(fence));
      expect(framed?.events).toBe(3);
      expect(decodePlainEntry(partition, plain?.id as string, new EntryFields(plain?.fields ?? []))).toMatchObject({
        envelope: { id: uuidOf(`${partition.log}\n${id}`), time: Number(id.split("-")[0]) },
      });
    });

    it("is only counted in a dry run", async () => {
      const partition = freshPartition();
      const fence = await own(partition);
      await bus.append(partition, frame(0, 5));
      await twin.plain(partition, { data: "1" });
      expect(await bus.reread(partition, "pipe", { ...all, dryRun: true })).toMatchObject({ entries: 2, events: 6 });
      expect(await read(replaying(fence))).toEqual([]);
      expect(await counts(partition)).toEqual({});
    });

    it("keeps what is read of an entry with more fields than one call can carry", async () => {
      const partition = freshPartition();
      const fence = await own(partition);
      const many = Object.fromEntries(Array.from({ length: 3_100 }, (_, n) => [`extra-${n}`, "x"]));
      await twin.plain(partition, { ...many, data: '{"type":"thing.happened","data":1}' });
      await bus.reread(partition, "pipe", all);
      const [entry] = await read(replaying(fence));
      expect(new EntryFields(entry?.fields ?? []).get("data")?.toString()).toContain("thing.happened");
      expect(textOf(entry).at(-2)).toBe(originField);
    });
  });

  describe("the replay log", () => {
    it("belongs to one pipeline: ledger and states are the partition's, and another pipeline sees nothing", async () => {
      const partition = freshPartition();
      const fence = await own(partition);
      await bus.append(partition, frame(0, 3));
      await bus.reread(partition, "pipe", all);
      const again = replaying(fence);
      const [entry] = await read(again);
      expect(await bus.state(partition, "pipe")).toMatchObject({ pendingEntries: 1, pendingEvents: 3, lagEntries: 1 });
      await bus.commit(again, {
        ...nothing,
        entries: [entry?.id as string],
        counts: { delivered: 3 },
        keyed: { states: packStates([{ name: "a\nb", json: "1" }]), timers: [], seen: [] },
      });
      expect(await bus.states(fence, ["a\nb"])).toEqual(["1"]);
      expect(await bus.state(partition, "pipe")).toMatchObject({
        pendingEntries: 0,
        pendingEvents: 0,
        lagEntries: 1,
        counts: { read: 3, delivered: 3, reread: 3 },
      });
      expect(await bus.state(partition, "other")).toMatchObject({ pendingEntries: 0, lagEntries: 1, counts: {} });
    });

    it("is fenced like the log", async () => {
      const partition = freshPartition();
      const first = await own(partition, "w1");
      await bus.append(partition, frame(0, 3));
      await bus.reread(partition, "pipe", all);
      const [entry] = await read(replaying(first));
      await bus.release(first);
      await own(partition, "w2");
      expect(await bus.read(replaying(first), { from: "new", after: "0-0", count: 1 })).toEqual({ kind: "fenced" });
      expect(await bus.commit(replaying(first), { ...nothing, entries: [entry?.id as string] })).toBe("fenced");
    });

    it("is left by what is acked, and says how many entries it still holds", async () => {
      const partition = freshPartition();
      const fence = await own(partition);
      expect(await bus.replayBacklog(partition, "pipe")).toBe(0);
      for (let n = 0; n < 5; n++) await bus.append(partition, frame(n, 3));
      await bus.reread(partition, "pipe", all);
      const again = replaying(fence);
      const entries = await read(again, 4);
      expect(await bus.replayBacklog(partition, "pipe")).toBe(5);
      const acked = entries.slice(1, 3).map(({ id }) => id);
      await bus.commit(again, { ...nothing, entries: acked, counts: { delivered: 6 } });
      expect(await bus.replayBacklog(partition, "pipe")).toBe(3);
      expect((await readPendingOn(bus, again)).map(({ id, fields }) => [id, fields !== undefined])).toEqual([
        [entries[0]?.id, true],
        [entries[3]?.id, true],
      ]);
    });

    it("says how far its group is with the log itself", async () => {
      const partition = freshPartition();
      const fence = await own(partition);
      expect((await bus.state(partition, "pipe")).lastDelivered).toBe("0-0");
      await bus.append(partition, frame(0));
      const [entry] = await read(fence);
      await bus.reread(partition, "pipe", all);
      await read(replaying(fence));
      expect((await bus.state(partition, "pipe")).lastDelivered).toBe(entry?.id);
    });
  });
});
