import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KeyedCommit } from "../../src/bus/keyed-store.ts";
import { packStates } from "../../src/bus/packed-states.ts";
import type { Bus, Fence } from "../../src/bus/port.ts";
import { uuidOf } from "../../src/core/hash.ts";
import { frame, freshPartition, nothing, ownOn, readNewOn, type Twin, twins } from "../support/bus-twins.ts";

const stage = "close";
const [a, b, c] = ["a", "b", "c"].map(uuidOf) as [string, string, string];

describe.each(Object.entries(twins))("keyed state on the bus %s", (_, open) => {
  let twin: Twin;
  let bus: Bus;
  beforeAll(async () => {
    twin = await open();
    bus = twin.bus;
  });
  afterAll(() => twin.close());

  const own = (partition = freshPartition(), owner = "w1") => ownOn(bus, partition, { owner });
  const commit = (fence: Fence, number: number, keyed: Partial<KeyedCommit>) =>
    bus.commit(fence, { ...nothing, number, keyed: { states: packStates([]), timers: [], seen: [], ...keyed } });
  const timers = (fence: Fence, from = Number.NEGATIVE_INFINITY, count = 10) =>
    bus.timers(fence, { stage, clock: "event", from, count });
  const timer = (member: string, at: number | undefined) => ({ stage, clock: "event" as const, member, at });

  it("keeps states, changes and removes them, and shows them to people without a fence", async () => {
    const fence = await own();
    await commit(fence, 1, {
      states: packStates([
        { name: "s\na", json: '"one"' },
        { name: "s\nb", json: '"two"' },
      ]),
    });
    await commit(fence, 2, {
      states: packStates([
        { name: "s\na", json: '"three"' },
        { name: "s\nb", json: null },
        { name: "s\nc", json: null },
      ]),
    });
    expect(await bus.states(fence, ["s\na", "s\nb", "s\nc"])).toEqual(['"three"', null, null]);
    expect(await bus.peek(fence.partition, fence.pipeline, "s\na")).toBe('"three"');
    expect(await bus.peek(fence.partition, "another", "s\na")).toBeNull();
  });

  it("gives timers in the order of their times, from one on, and those of a stage and clock alone", async () => {
    const fence = await own();
    await commit(fence, 1, {
      timers: [
        timer("x\n2", 200),
        timer("x\n1", 100),
        timer("x\n3", 200),
        { ...timer("x\n1", 50), clock: "processing" },
        { ...timer("x\n1", 60), stage: "other" },
      ],
    });
    const all = [
      { member: "x\n1", at: 100 },
      { member: "x\n2", at: 200 },
      { member: "x\n3", at: 200 },
    ];
    expect(await timers(fence)).toEqual(all);
    expect(await timers(fence, 200)).toEqual(all.slice(1));
    expect(await timers(fence, 101, 1)).toEqual(all.slice(1, 2));
    await commit(fence, 2, { timers: [timer("x\n1", 1_700_000_000_123), timer("x\n2", undefined), timer("x\nnone", undefined)] });
    expect(await timers(fence)).toEqual([
      { member: "x\n3", at: 200 },
      { member: "x\n1", at: 1_700_000_000_123 },
    ]);
  });

  it("remembers ids in their sets, for as long as it was told", async () => {
    const fence = await own();
    await commit(fence, 1, {
      seen: [
        { set: "once\n1", ids: [a, b], ttlMs: 60_000 },
        { set: "once\n2", ids: [a], ttlMs: 1 },
      ],
    });
    const wanted = [
      { set: "once\n1", ids: [c, b, a] },
      { set: "once\n2", ids: [a] },
      { set: "once\n3", ids: [a] },
    ];
    await expect.poll(() => bus.seen(fence, wanted)).toEqual([[false, true, true], [false], [false]]);
    await commit(fence, 2, { seen: [{ set: "once\n1", ids: [c], ttlMs: 60_000 }] });
    expect(await bus.seen(fence, wanted.slice(0, 1))).toEqual([[true, true, true]]);
    expect(await bus.seen(fence, [])).toEqual([]);
  });

  it("takes thousands of states, timers and ids at once", async () => {
    const fence = await own();
    const count = 9_000;
    const ids = Array.from({ length: count }, (_, i) => uuidOf(`id ${i}`));
    await commit(fence, 1, {
      states: packStates(ids.map((id) => ({ name: `s\n${id}`, json: "1" }))),
      timers: ids.map((id, i) => timer(id, i)),
      seen: [{ set: "once\n1", ids, ttlMs: 60_000 }],
    });
    expect(await timers(fence, 0, count)).toHaveLength(count);
    expect(await bus.seen(fence, [{ set: "once\n1", ids: [...ids, a] }])).toEqual([[...ids.map(() => true), false]]);
    expect(
      (
        await bus.states(
          fence,
          ids.map((id) => `s\n${id}`),
        )
      ).length,
    ).toBe(count);
  });

  it("is written with the acks of a commit, and a commit that comes again changes nothing, also one without acks", async () => {
    const fence = await own();
    await bus.append(fence.partition, frame(0, 3));
    const [entry] = await readNewOn(bus, fence);
    const write = (number: number, json: string, entries: readonly string[]) =>
      bus.commit(fence, {
        ...nothing,
        number,
        entries,
        counts: { delivered: 3 },
        keyed: { states: packStates([{ name: "s\na", json }]), timers: [], seen: [] },
      });
    for (let n = 0; n < 2; n++) expect(await write(1, "1", [entry?.id as string])).toBe("committed");
    expect((await bus.state(fence.partition, "pipe")).counts).toEqual({ read: 3, delivered: 3 });
    for (let n = 0; n < 2; n++) expect(await write(2, "2", [])).toBe("committed");
    expect((await bus.state(fence.partition, "pipe")).counts).toEqual({ read: 3, delivered: 6 });
    expect(await bus.states(fence, ["s\na"])).toEqual(["2"]);
  });

  it("begins to count commits anew with each owner, also with the same one that came back", async () => {
    const partition = freshPartition();
    const first = await own(partition);
    await commit(first, 1, { states: packStates([{ name: "s\na", json: "1" }]) });
    const again = await own(partition);
    expect(await commit(again, 1, { states: packStates([{ name: "s\na", json: "2" }]) })).toBe("committed");
    expect(await bus.states(again, ["s\na"])).toEqual(["2"]);
  });

  it("answers and writes nothing for a former owner", async () => {
    const partition = freshPartition();
    const first = await own(partition);
    await bus.release(first);
    const second = await own(partition, "w2");
    expect(
      await commit(first, 1, {
        states: packStates([{ name: "s\na", json: "1" }]),
        timers: [timer("x\n1", 1)],
        seen: [{ set: "once\n1", ids: [a], ttlMs: 60_000 }],
      }),
    ).toBe("fenced");
    expect(await bus.states(first, ["s\na"])).toBe("fenced");
    expect(await timers(first)).toBe("fenced");
    expect(await bus.seen(first, [{ set: "once\n1", ids: [a] }])).toBe("fenced");
    expect(await bus.states(second, ["s\na"])).toEqual([null]);
    expect(await timers(second)).toEqual([]);
    expect(await bus.seen(second, [{ set: "once\n1", ids: [a] }])).toEqual([[false]]);
  });
});
