import { beforeEach, describe, expect, it } from "vitest";
import { MemoryBus } from "../../../src/bus/memory.ts";
import { type Partition, partitionsOf } from "../../../src/bus/partition.ts";
import type { Fence } from "../../../src/bus/port.ts";
import { KeyedState, type StateDraft } from "../../../src/state/keyed-state.ts";
import { things } from "../../support/things.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const partition = partitionsOf(things().plan)[0] as Partition;

describe("keyed state", () => {
  let bus: MemoryBus;
  let fence: Fence;
  let fetches: (readonly string[])[];
  let state: KeyedState;

  beforeEach(async () => {
    bus = new MemoryBus(new VirtualClock());
    const acquired = await bus.acquire(partition, "pipe", { owner: "w", ttlMs: 60_000 });
    if (acquired.kind !== "owned") throw new Error("taken");
    fence = { partition, pipeline: "pipe", owner: "w", epoch: acquired.epoch };
    fetches = [];
    const states = bus.states.bind(bus);
    bus.states = (of, names) => {
      fetches.push(names);
      return states(of, names);
    };
    state = new KeyedState(bus, fence);
  });

  /** Writes a draft's states as a commit does. */
  const nothing = { entries: [], counts: {}, deadLetters: [], derived: [], floor: undefined };
  const commit = (draft: StateDraft) => bus.commit(fence, { ...nothing, states: draft.toJson() });
  const store = (states: Readonly<Record<string, unknown>>) =>
    bus.commit(fence, {
      ...nothing,
      states: new Map(Object.entries(states).map(([name, value]) => [name, JSON.stringify(value)])),
    });

  it("fetches what is stored, once, and says undefined where nothing is", async () => {
    await store({ "cart\na": { n: 1 } });
    const draft = state.draft();
    expect(await draft.get("cart", "a")).toEqual({ n: 1 });
    expect(await draft.get("cart", "b")).toBeUndefined();
    expect(draft.get("cart", "a")).toEqual({ n: 1 });
    expect(draft.get("cart", "b")).toBeUndefined();
    expect(fetches).toEqual([["cart\na"], ["cart\nb"]]);
  });

  it("keeps stages apart that use the same key", async () => {
    await store({ "cart\na": 1, "count\na": 2 });
    const draft = state.draft();
    expect([await draft.get("cart", "a"), await draft.get("count", "a")]).toEqual([1, 2]);
  });

  it("fetches many keys in one call, each once, and not what it knows", async () => {
    await store({ "cart\na": 1, "cart\nb": 2 });
    const draft = state.draft();
    await draft.prefetch("cart", ["a", "b", "a", "c"]);
    await draft.prefetch("cart", ["a", "b", "c"]);
    expect(fetches).toEqual([["cart\na", "cart\nb", "cart\nc"]]);
    expect([draft.get("cart", "a"), draft.get("cart", "b"), draft.get("cart", "c")]).toEqual([1, 2, undefined]);
  });

  it("shows a chunk its own changes, and nobody else before they are accepted", async () => {
    await store({ "cart\na": 1 });
    const abandoned = state.draft();
    await abandoned.prefetch("cart", ["a"]);
    abandoned.set("cart", "a", 2);
    abandoned.set("cart", "new", 9);
    expect([abandoned.get("cart", "a"), abandoned.get("cart", "new")]).toEqual([2, 9]);
    const again = state.draft();
    expect([await again.get("cart", "a"), await again.get("cart", "new")]).toEqual([1, undefined]);
    again.set("cart", "a", 3);
    state.accept(again);
    expect(state.draft().get("cart", "a")).toBe(3);
  });

  it("writes only what has changed", async () => {
    await store({ "cart\na": 1, "cart\nb": 1 });
    const draft = state.draft();
    await draft.prefetch("cart", ["a", "b"]);
    draft.set("cart", "b", { n: [1, null] });
    expect([...draft.toJson()]).toEqual([["cart\nb", '{"n":[1,null]}']]);
  });

  it("lets go of committed states when it holds too many, and never of one that is not committed", async () => {
    const many = Array.from({ length: 100_000 }, (_, n) => `k${n}`);
    const early = state.draft();
    early.set("cart", "precious", 1);
    state.accept(early);
    const late = state.draft();
    for (const key of many) late.set("cart", key, key);
    state.accept(late);
    // The later chunk's commit is told first: the earlier one's states are still nowhere else.
    state.settled();
    expect(state.draft().get("cart", "precious")).toBe(1);
    expect(fetches).toEqual([]);

    await commit(early);
    await commit(late);
    state.settled();
    const after = state.draft();
    expect(after.get("cart", "precious")).toBeInstanceOf(Promise);
    expect(await after.get("cart", "precious")).toBe(1);
    expect(await after.get("cart", "k0")).toBe("k0");
    expect(after.get("cart", "k99999")).toBe("k99999");
  });

  it("refuses a state that is not JSON, and says whose", () => {
    const draft = state.draft();
    draft.set("cart", "c1", { total: 5n });
    expect(() => draft.toJson()).toThrow("the state that fold 'cart' keeps for 'c1' is not JSON");
  });
});
