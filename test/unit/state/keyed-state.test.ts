import { beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { MemoryBus } from "../../../src/bus/memory/bus.ts";
import { unpackStates } from "../../../src/bus/packed-states.ts";
import { type Partition, partitionsOf } from "../../../src/bus/partition.ts";
import type { Fence } from "../../../src/bus/port.ts";
import { uuidOf } from "../../../src/core/hash.ts";
import { silentLogger } from "../../../src/core/log.ts";
import type { Timers } from "../../../src/plan/timer.ts";
import { KeyedState } from "../../../src/state/keyed-state.ts";
import type { StageForm } from "../../../src/state/record.ts";
import type { StateDraft } from "../../../src/state/state-draft.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { nothing } from "../../support/bus-twins.ts";
import { numbered } from "../../support/numbered.ts";
import { things } from "../../support/things.ts";

const partition = partitionsOf(things().plan)[0] as Partition;
const form = (stage: string, change: Partial<StageForm> = {}): StageForm => ({
  stage,
  version: 1,
  migrate: undefined,
  schema: undefined,
  horizonMs: undefined,
  ...change,
});
const held = (state: unknown, timers: Timers = {}) => ({ state, timers });

describe("keyed state", () => {
  let clock: VirtualClock;
  let bus: MemoryBus;
  let fence: Fence;
  let fetches: (readonly string[])[];

  beforeEach(async () => {
    clock = new VirtualClock();
    bus = numbered(new MemoryBus(clock));
    await own();
    fetches = [];
    const states = bus.states.bind(bus);
    bus.states = (of, names) => {
      if (names[0] !== "\n") fetches.push(names);
      return states(of, names);
    };
  });

  async function own() {
    const acquired = await bus.acquire(partition, "pipe", { owner: "w", ttlMs: 60_000 });
    if (acquired.kind !== "owned") throw new Error("taken");
    fence = { partition, pipeline: "pipe", owner: "w", epoch: acquired.epoch, tenure: acquired.tenure };
  }

  /** As a new owner sees it. */
  async function open(forms = [form("cart"), form("count")], cacheBytes = 1_000_000) {
    await own();
    const state = new KeyedState(fence, { bus, clock, logger: silentLogger }, { forms, cacheBytes, idleMs: 1_000 });
    await state.open();
    return state;
  }

  /** What a commit does. */
  async function commit(state: KeyedState, draft: StateDraft) {
    draft.encode();
    state.accept(draft);
    expect(await bus.commit(fence, { ...nothing, keyed: draft.toCommit() })).toBe("committed");
    state.settled(draft);
  }

  async function store(entries: readonly (readonly [stage: string, key: string, state: unknown])[], forms?: StageForm[]) {
    const state = await open(forms);
    const draft = state.draft();
    for (const [stage, key] of entries) await draft.prefetch(stage, [key]);
    for (const [stage, key, value] of entries) draft.set(stage, key, held(value));
    await commit(state, draft);
    fetches.length = 0;
  }

  it("fetches what is stored, once, and says undefined where nothing is", async () => {
    await store([["cart", "a", { n: 1 }]]);
    const draft = (await open()).draft();
    expect(await draft.get("cart", "a")).toEqual(held({ n: 1 }));
    expect(await draft.get("cart", "b")).toBeUndefined();
    expect(draft.get("cart", "a")).toEqual(held({ n: 1 }));
    expect(draft.get("cart", "b")).toBeUndefined();
    expect(fetches).toEqual([["cart\na"], ["cart\nb"]]);
  });

  it("keeps stages apart that use the same key, and keys apart that hold line breaks", async () => {
    await store([
      ["cart", "a", 1],
      ["count", "a", 2],
      ["cart", "a\nb", 3],
    ]);
    const draft = (await open()).draft();
    expect([await draft.get("cart", "a"), await draft.get("count", "a"), await draft.get("cart", "a\nb")]).toEqual(
      [1, 2, 3].map((n) => held(n)),
    );
  });

  it("fetches many keys in one call, each once, and not what it knows", async () => {
    await store([
      ["cart", "a", 1],
      ["cart", "b", 2],
    ]);
    const draft = (await open()).draft();
    await draft.prefetch("cart", ["a", "b", "a", "c"]);
    await draft.prefetch("cart", ["a", "b", "c"]);
    expect(fetches).toEqual([["cart\na", "cart\nb", "cart\nc"]]);
    expect([draft.get("cart", "a"), draft.get("cart", "b"), draft.get("cart", "c")]).toEqual([held(1), held(2), undefined]);
  });

  it("shows a read its own changes, and nobody else before they are accepted", async () => {
    await store([["cart", "a", 1]]);
    const state = await open();
    const abandoned = state.draft();
    await abandoned.prefetch("cart", ["a", "new"]);
    abandoned.set("cart", "a", held(2));
    abandoned.set("cart", "new", held(9));
    expect([abandoned.get("cart", "a"), abandoned.get("cart", "new")]).toEqual([held(2), held(9)]);
    const again = state.draft();
    expect([await again.get("cart", "a"), await again.get("cart", "new")]).toEqual([held(1), undefined]);
    again.set("cart", "a", held(3));
    again.encode();
    state.accept(again);
    expect(state.draft().get("cart", "a")).toEqual(held(3));
  });

  it("writes only what has changed, and removes what was forgotten", async () => {
    await store([
      ["cart", "a", 1],
      ["cart", "b", 1],
      ["cart", "c", 1],
    ]);
    const state = await open();
    const draft = state.draft();
    await draft.prefetch("cart", ["a", "b", "c"]);
    draft.set("cart", "b", held({ n: [1, null] }));
    draft.set("cart", "c", undefined);
    await commit(state, draft);
    expect(unpackStates(draft.toCommit().states)).toEqual([
      { name: "cart\nb", json: JSON.stringify({ v: 1, at: clock.now(), s: { n: [1, null] } }) },
      { name: "cart\nc", json: null },
    ]);
    expect(state.draft().get("cart", "c")).toBeUndefined();
    expect(await (await open()).draft().get("cart", "c")).toBeUndefined();
  });

  it("holds no more committed states than its memory takes, and always those that are not committed", async () => {
    const state = await open(undefined, 400 * 100);
    const early = state.draft();
    await early.prefetch("cart", ["precious"]);
    early.set("cart", "precious", held("x".repeat(50_000)));
    early.encode();
    state.accept(early);
    const late = state.draft();
    const keys = Array.from({ length: 1_000 }, (_, n) => `k${n}`);
    await late.prefetch("cart", keys);
    for (const key of keys) late.set("cart", key, held(key));
    late.encode();
    state.accept(late);
    // All of them fetched, and far more than the cache takes: a read has what it has looked at.
    expect(fetches).toHaveLength(2);
    expect(state.draft().get("cart", "k0")).toEqual(held("k0"));
    for (const draft of [early, late]) {
      await bus.commit(fence, { ...nothing, keyed: draft.toCommit() });
      state.settled(draft);
    }
    fetches.length = 0;
    const after = state.draft();
    const known = keys.filter((key) => !(after.get("cart", key) instanceof Promise));
    expect(known.length).toBeGreaterThan(20);
    expect(known.length).toBeLessThan(150);
    expect(await after.get("cart", "precious")).toEqual(held("x".repeat(50_000)));
  });

  it("gives the state itself to change, and fetches it again where that came to nothing; with care, a copy each time", async () => {
    await store([["cart", "a", [1]]]);
    const state = await open();
    const copy = (list: unknown) => [...(list as number[])];
    const draft = state.draft();
    const first = (await draft.own("cart", "a", copy)) as ReturnType<typeof held> & { readonly state: number[] };
    first.state.push(2);
    expect(draft.own("cart", "a", copy)).toBe(first);
    state.forget(draft);
    const careful = state.draft(true);
    expect(await careful.own("cart", "a", copy)).toEqual(held([1]));
    careful.set("cart", "a", held([1, 5]));
    const other = (await careful.own("cart", "a", copy)) as { state: number[] };
    other.state.push(6);
    expect(careful.get("cart", "a")).toEqual(held([1, 5]));
  });

  it("refuses a state that is too large, and finds out by which event", async () => {
    const state = await open();
    const draft = state.draft();
    await draft.prefetch("cart", ["a"]);
    draft.set("cart", "a", held("x".repeat(2_000_000)));
    expect(draft.encode()).toEqual({ kind: "start-over" });
    draft.startOver();
    expect(draft.mustStartOver).toBe(true);
    const careful = state.draft(true);
    await careful.prefetch("cart", ["a"]);
    expect(() => careful.set("cart", "a", held("x".repeat(2_000_000)))).toThrow(
      "the state that stage 'cart' keeps for 'a' would measure more than 1048576 bytes",
    );
    expect(careful.get("cart", "a")).toBeUndefined();
    careful.startOver();
    expect(careful.mustStartOver).toBe(false);
  });

  it("refuses a state that is not JSON, and says whose", async () => {
    const draft = (await open()).draft();
    await draft.prefetch("cart", ["c1"]);
    draft.set("cart", "c1", held({ total: 5n }));
    expect(() => draft.encode()).toThrow("the state that stage 'cart' keeps for 'c1' is not JSON");
  });

  it("brings states of an older version to the present one, and refuses those that nobody knows", async () => {
    await store([["cart", "a", { n: 1 }]]);
    const migrate = (state: unknown, version: number) => ({ count: (state as { n: number }).n, from: version });
    const newer = (await open([form("cart", { version: 2, migrate })])).draft();
    expect(await newer.get("cart", "a")).toEqual(held({ count: 1, from: 1 }));
    await expect((await open([form("cart", { version: 2 })])).draft().get("cart", "a")).rejects.toThrow(
      "the state that stage 'cart' keeps for 'a' is of version 1, this code's is 2, and nothing brings it there",
    );
    await store([["cart", "b", 1]], [form("cart", { version: 3 })]);
    await expect((await open()).draft().get("cart", "b")).rejects.toThrow("is of version 3, and this code knows 1");
    const strict = await open([form("cart", { schema: z.object({ n: z.string() }) })]);
    await expect(strict.draft().get("cart", "a")).rejects.toThrow("does not fit its schema");
  });

  it("keeps timers with their states, in order, and takes back those of a read that is thrown away", async () => {
    const state = await open();
    const next = () => state.queue("cart", "event").next();
    const timer = (at: number) => ({ idle: { clock: "event", at } }) as const;
    const draft = state.draft();
    await draft.prefetch("cart", ["a", "b"]);
    draft.set("cart", "a", held(1, timer(200)));
    draft.set("cart", "b", held(1, timer(100)));
    await commit(state, draft);
    expect(next()).toEqual({ member: "idle\nb", at: 100 });
    const abandoned = state.draft();
    await abandoned.get("cart", "b");
    abandoned.set("cart", "b", held(2, timer(300)));
    await abandoned.get("cart", "a");
    abandoned.set("cart", "a", undefined);
    expect(next()).toEqual({ member: "idle\nb", at: 300 });
    const second = state.draft();
    expect(next()).toEqual({ member: "idle\nb", at: 100 });
    await second.get("cart", "b");
    second.set("cart", "b", undefined);
    await commit(state, second);
    expect((await open()).queue("cart", "event").next()).toEqual({ member: "idle\na", at: 200 });
  });

  it("remembers ids from the moment that a read is accepted, and over a change of owners", async () => {
    const forms = [form("once", { horizonMs: 60_000 })];
    const state = await open(forms);
    const moment = (n: number) => ({ id: uuidOf(`id ${n}`), time: 1_000_000 });
    const abandoned = state.draft();
    expect(await abandoned.takes("once", moment(1))).toBe(true);
    expect(await abandoned.takes("once", moment(1))).toBe(false);
    const draft = state.draft();
    await draft.askIds("once", [moment(1), moment(2)]);
    expect([draft.takes("once", moment(1)), draft.takes("once", moment(2)), draft.takes("once", moment(1))]).toEqual([
      true,
      true,
      false,
    ]);
    draft.encode();
    state.accept(draft);
    expect(await state.draft().takes("once", moment(1))).toBe(false);
    await bus.commit(fence, { ...nothing, keyed: draft.toCommit() });
    state.settled(draft);
    expect(await state.draft().takes("once", moment(2))).toBe(false);
    expect(await (await open(forms)).draft().takes("once", moment(1))).toBe(false);
    expect(await (await open(forms)).draft().takes("once", moment(3))).toBe(true);
  });

  it("asks for nothing once another worker owns the partition", async () => {
    const state = await open();
    await own();
    await expect(state.draft().get("cart", "a")).rejects.toThrow("another worker owns it for 'pipe' by now");
  });
});
