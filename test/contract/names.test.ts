import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { NamesCommit } from "../../src/bus/known-names.ts";
import type { Bus, Fence } from "../../src/bus/port.ts";
import { freshAdopted, nothing, ownOn, readNewOn, type Twin, twins } from "../support/bus-twins.ts";

describe.each(Object.entries(twins))("names of events on the bus %s", (_, open) => {
  let twin: Twin;
  let bus: Bus;
  beforeAll(async () => {
    twin = await open();
    bus = twin.bus;
  });
  afterAll(() => twin.close());

  /** Reads an entry and settles it, with names. */
  async function settle(fence: Fence, names: Partial<NamesCommit>): Promise<void> {
    await twin.plain(fence.partition, { data: "{}" });
    const entries = (await readNewOn(bus, fence)).map(({ id }) => id);
    const commit = { ...nothing, entries, counts: { delivered: 1 } };
    expect(
      await bus.commit(fence, { ...commit, names: { page: 0, out: -3, ttlMs: 60_000, records: Buffer.alloc(0), ...names } }),
    ).toBe("committed");
  }

  it("are added to their pages by commits, and the newest pages are given back in their order", async () => {
    const fence = await ownOn(bus, freshAdopted());
    expect(await bus.names(fence, 3)).toEqual({ newest: -1, stored: [] });
    const bytes = Buffer.from([0, 255, 10, 13]);
    await settle(fence, { page: 0, records: bytes });
    await settle(fence, { page: 1, out: -2, records: Buffer.from("b") });
    await settle(fence, { page: 0, records: Buffer.from("c") });
    expect(await bus.names(fence, 3)).toEqual({
      newest: 1,
      stored: [Buffer.concat([bytes, Buffer.from("c")]), Buffer.from("b")],
    });
    await settle(fence, { page: 2, out: 0, records: Buffer.from("d") });
    await settle(fence, { page: 3, out: 1, records: Buffer.from("e") });
    expect(await bus.names(fence, 3)).toEqual({ newest: 3, stored: [Buffer.alloc(0), Buffer.from("d"), Buffer.from("e")] });
  });

  it("go when their time is over", async () => {
    const fence = await ownOn(bus, freshAdopted());
    await settle(fence, { records: Buffer.from("a"), ttlMs: 1 });
    await expect.poll(() => bus.names(fence, 3)).toEqual({ newest: 0, stored: [Buffer.alloc(0)] });
  });

  it("are those of a pipeline on a partition, and are given to its owner alone", async () => {
    const fence = await ownOn(bus, freshAdopted());
    await settle(fence, { records: Buffer.from("a") });
    const next = await ownOn(bus, fence.partition, { owner: fence.owner });
    expect(await bus.names(fence, 3)).toBe("fenced");
    expect(await bus.names(next, 3)).toEqual({ newest: 0, stored: [Buffer.from("a")] });
    expect(await bus.names(await ownOn(bus, fence.partition, { pipeline: "other" }), 3)).toEqual({ newest: -1, stored: [] });
  });
});
