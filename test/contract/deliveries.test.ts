import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Partition } from "../../src/bus/partition.ts";
import type { Bus, Fence } from "../../src/bus/port.ts";
import { frame, freshPartition, nothing, ownOn, readNewOn, readPendingOn, type Twin, twins } from "../support/bus-twins.ts";

describe.each(Object.entries(twins))("what the bus %s has given out", (_, open) => {
  let twin: Twin;
  let bus: Bus;
  beforeAll(async () => {
    twin = await open();
    bus = twin.bus;
  });
  afterAll(() => twin.close());

  const own = (partition: Partition, owner = "w1") => ownOn(bus, partition, { owner });
  const readNew = (fence: Fence, count?: number) => readNewOn(bus, fence, count);
  const readPending = (fence: Fence, after?: string, suspects?: number) => readPendingOn(bus, fence, { after, suspects });

  it("hands what was read and not acked to the next owner, in order, and nothing twice as new", async () => {
    const partition = freshPartition();
    const first = await own(partition, "w1");
    for (let n = 0; n < 5; n++) await bus.append(partition, frame(n));
    const read = await readNew(first, 4);
    await bus.commit(first, { ...nothing, entries: [read[1]?.id ?? ""], counts: { delivered: 3 } });
    await bus.release(first);
    const second = await own(partition, "w2");
    expect((await readPending(second)).map(({ id }) => id)).toEqual([read[0]?.id, read[2]?.id, read[3]?.id]);
    expect((await readPending(second, read[2]?.id)).map(({ id }) => id)).toEqual([read[3]?.id]);
    expect(await readNew(second)).toHaveLength(1);
  });

  it("gives suspects out in ever smaller groups, and at last alone; the ones behind them are left untouched", async () => {
    const partition = freshPartition();
    const fence = await own(partition);
    for (let n = 0; n < 12; n++) await bus.append(partition, frame(n));
    const fresh = await readNew(fence, 10);
    expect(fresh.map(({ deliveries, events }) => [deliveries, events])[9]).toEqual([1, 3]);
    const deliveries = async (suspects: number) => (await readPending(fence, "0-0", suspects)).map((entry) => entry.deliveries);
    expect(await deliveries(8)).toEqual(Array.from({ length: 10 }, () => 2));
    expect(await readNew(fence, 1)).toHaveLength(1);
    expect(await bus.read(fence, { from: "pending", after: "0-0", count: 100 })).toEqual({ kind: "suspects" });
    // Eight come together for the third time, one for the fourth and later: 8, 8 / 8, 8 / 64.
    expect(await deliveries(8)).toEqual(Array.from({ length: 8 }, () => 3));
    for (const times of [4, 5, 6, 7]) expect(await deliveries(8)).toEqual([times]);
    expect((await readPending(fence, fresh[0]?.id, 8)).map((entry) => entry.deliveries)).toEqual([4]);
    expect((await readPending(fence, fresh[7]?.id, 8)).map((entry) => entry.deliveries)).toEqual([3, 3, 2]);
  });

  it("counts a delivery no longer when its entry is handed back, also by a former owner", async () => {
    const partition = freshPartition();
    const first = await own(partition);
    for (let n = 0; n < 4; n++) await bus.append(partition, frame(n));
    const [one, two, gone, acked] = (await readNew(first)).map(({ id }) => id) as [string, string, string, string];
    await bus.commit(first, { ...nothing, entries: [acked], counts: { delivered: 3 } });
    await twin.remove(partition, [gone]);
    await bus.nack(first, [one, gone, acked]);
    const deliveries = async (fence: Fence, after?: string) =>
      (await readPending(fence, after)).map((entry) => [entry.id, entry.deliveries]);
    expect(await deliveries(first)).toEqual([
      [one, 1],
      [two, 2],
      [gone, 2],
    ]);
    await bus.release(first);
    const second = await own(partition, "w2");
    await bus.nack(first, [one, two, gone]);
    expect(await deliveries(second)).toEqual([
      [one, 1],
      [two, 2],
      [gone, 2],
    ]);
    for (let n = 0; n < 3; n++) await bus.nack(first, [one]);
    expect(await deliveries(second)).toEqual([[one, 1]]);
    expect(await bus.state(partition, "pipe")).toMatchObject({ pendingEntries: 3, pendingEvents: 9 });
  });

  it("still knows how many events a frame held that somebody removed before it was settled", async () => {
    const partition = freshPartition();
    const fence = await own(partition);
    await bus.append(partition, frame(0, 5));
    const [entry] = await readNew(fence);
    await twin.remove(partition, [entry?.id ?? ""]);
    expect(await readPending(fence)).toEqual([{ id: entry?.id, fields: undefined, deliveries: 2, events: 5 }]);
    expect(await bus.state(partition, "pipe")).toMatchObject({ pendingEvents: 5, lost: { entries: 0, events: 0 } });
    await bus.commit(fence, { ...nothing, entries: [entry?.id ?? ""], counts: { "deadLettered:trimmed": 5 } });
    expect(await bus.state(partition, "pipe")).toMatchObject({
      pendingEvents: 0,
      counts: { read: 5, "deadLettered:trimmed": 5 },
    });
  });
});
