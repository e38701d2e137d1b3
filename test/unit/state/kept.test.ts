import { c, clickhouse, defineEvent, defineState, defineStream, defineTable, pipeline } from "headrace";
import { testPipeline } from "headrace/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { Partition } from "../../../src/bus/partition.ts";
import { findKept, untilKept } from "../../../src/state/kept.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";

interface Sum {
  readonly total: number;
  readonly count: number;
}
const paid = defineEvent("bill.paid", z.object({ account: z.string(), cents: z.int() }), { key: ({ account }) => account });
const bills = defineStream("bills", { events: [paid], partitions: 8 });
const sum = defineState<Sum>("sum", { pipeline: "sums" });
const sums = pipeline("sums")
  .from(bills)
  .dedupe("once")
  .fold(sum, {
    key: ({ data }) => data.account,
    initial: { total: 0, count: 0 },
    decide: (_, event) => [event],
    evolve: ({ total, count }, { data }) => ({ total: total + data.cents, count: count + 1 }),
    version: 2,
    migrate: (old) => ({ total: old as number, count: 1 }),
  })
  .to(
    clickhouse(defineTable("paid", { columns: { event_id: c.uuid(), cents: c.int32() }, orderBy: ["event_id"] })),
    ({ id, data }) => ({ event_id: id, cents: data.cents }),
  );

/** A store that holds these records, and the partitions that were asked. */
function storeOf(records: Readonly<Record<string, string>>) {
  const asked: string[] = [];
  return {
    asked,
    bus: {
      peek: async (partition: Partition, _: string, name: string) => {
        asked.push(partition.name);
        return records[`${partition.name} ${name.replace("\n", " ")}`] ?? null;
      },
    },
  };
}
/** xxhash64 of "ada" mod 8. */
const home = "bills/00";

describe("a state that is declared", () => {
  it("is kept by the fold that was given it, under its name", async () => {
    const test = testPipeline(sums);
    await test.send([paid({ account: "ada", cents: 3 }), paid({ account: "ada", cents: 4 })]);
    await test.run();
    expect(await test.state("ada")).toMatchObject([{ stage: "sum", state: { total: 7, count: 2 } }]);
  });

  it("cannot be given to a fold of another pipeline", () => {
    const start = pipeline("others").from(bills);
    const options = { key: () => "", initial: { total: 0, count: 0 }, decide: () => [], evolve: (state: Sum) => state };
    expect(() => start.fold(sum, options)).toThrow("pipeline 'others': the state 'sum' is declared as that of pipeline 'sums'");
    expect(() => start.keyBy(() => "").fold(sum, options)).toThrow("declared as that of pipeline 'sums'");
  });
});

describe("what is kept of a key", () => {
  const find = (bus: ReturnType<typeof storeOf>["bus"], key = "ada", state = sum.plan) =>
    findKept([sums.plan], { state, key, bus });

  it("is looked for in the one partition that its events are in", async () => {
    const { bus, asked } = storeOf({ [`${home} sum ada`]: '{"v":2,"at":5,"s":{"total":7,"count":2}}' });
    expect(await find(bus)).toEqual({ state: { total: 7, count: 2 }, updatedAt: 5 });
    expect(asked).toEqual([home]);
  });

  it("is found where a finer key than that of the stream has put it, and nowhere where there is none", async () => {
    const { bus, asked } = storeOf({ "bills/07 sum ada": '{"v":2,"at":5,"s":{"total":1,"count":1}}' });
    expect(await find(bus)).toMatchObject({ state: { total: 1 } });
    expect(new Set(asked).size).toBe(8);
    expect(await find(bus, "bob")).toBeUndefined();
  });

  it("comes in the form of the code that runs, also where an older one has written it", async () => {
    const { bus } = storeOf({ [`${home} sum ada`]: '{"v":1,"at":5,"s":12}' });
    expect(await find(bus)).toEqual({ state: { total: 12, count: 1 }, updatedAt: 5 });
  });

  it("is refused where a newer version has written it, and where no fold of the application keeps it", async () => {
    const { bus } = storeOf({ [`${home} sum ada`]: '{"v":3,"at":5,"s":12}' });
    await expect(find(bus)).rejects.toMatchObject({ code: "state.version" });
    await expect(find(bus, "ada", { ...sum.plan, name: "gone" })).rejects.toThrow("pipeline 'sums' has no fold of that name");
    await expect(find(bus, "ada", { ...sum.plan, pipeline: "gone" })).rejects.toThrow("there is no pipeline 'gone'");
    await expect(find(bus, "ada", { ...sum.plan, name: "once" })).rejects.toThrow("has no fold of that name");
  });
});

describe("waiting for a state", () => {
  const waiting = (holds: (state: unknown) => boolean, states: readonly unknown[], signal?: AbortSignal) => {
    const clock = new VirtualClock();
    let looks = 0;
    const look = async () => ({ state: states[Math.min(looks++, states.length - 1)], updatedAt: 0 });
    const options = { clock, what: "the state 'sum' of 'ada'", ...(signal && { signal }) };
    const found = clock.settle(untilKept(look, holds, options));
    return { found, looks: () => looks, clock };
  };

  it("gives it as soon as it holds", async () => {
    const { found, looks } = waiting((state) => state === 3, [1, 2, 3, 4]);
    expect(await found).toEqual({ state: 3, updatedAt: 0 });
    expect(looks()).toBe(3);
  });

  it("ends after its time, so that the activity is tried again", async () => {
    const { found, clock } = waiting(() => false, [1]);
    await expect(found).rejects.toMatchObject({ name: "RetryableError", code: "state.behind" });
    expect(clock.monotonic()).toBeGreaterThanOrEqual(5_000);
    expect(clock.monotonic()).toBeLessThan(6_000);
  });

  it("ends with what looks at it, and with its signal", async () => {
    const refuse = () => {
      throw new Error("not free");
    };
    await expect(waiting(refuse, [1]).found).rejects.toThrow("not free");
    const stop = new AbortController();
    const stopping = () => {
      stop.abort(new Error("cancelled"));
      return false;
    };
    const { found } = waiting(stopping, [1], stop.signal);
    await expect(found).rejects.toThrow("cancelled");
  });
});
