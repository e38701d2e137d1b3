import { AssertionError } from "node:assert";
import { deadLetter, drop } from "headrace";
import { testFold } from "headrace/testing";
import { describe, expect, it } from "vitest";
import { type CartEvent, decideCart, emptyCart, evolveCart } from "../../../pipelines/cart-rules.ts";

interface Paid {
  readonly kind: "paid";
  readonly total: number;
}
interface Forgotten {
  readonly kind: "forgotten";
  readonly total: number;
  readonly at: number;
}

const jar = testFold({
  initial: { total: 0 },
  decide: ({ total }, cents: number): readonly (Paid | Forgotten)[] | ReturnType<typeof drop> | ReturnType<typeof deadLetter> => {
    if (Number.isNaN(cents)) return deadLetter("no number");
    return cents > 0 ? [{ kind: "paid", total: total + cents }] : drop("no money");
  },
  evolve: (_, { kind, total }) => (kind === "paid" ? { total } : null),
  timers: ({ total }): Readonly<Record<string, { clock: "event"; at: Date }>> =>
    total < 100 ? { rest: { clock: "event", at: new Date(60_000) } } : {},
  onTimer: ({ total }, { at }): readonly Forgotten[] => [{ kind: "forgotten", total, at: at.getTime() }],
});

describe("testFold", () => {
  it("says what follows from a value, given those before it, and what is kept", () => {
    jar.given(5, 6).when(7).thenDecided({ kind: "paid", total: 18 }).thenState({ total: 18 });
    jar.when(7).thenDecided({ kind: "paid", total: 7 });
    expect(jar.state).toBeNull();
  });

  it("leaves a test as it is, so that several may go on from one", () => {
    const five = jar.given(5);
    five.when(1).thenState({ total: 6 });
    five.when(2).thenState({ total: 7 });
  });

  it("tells reasons apart, and moves no state by them", () => {
    jar.given(5).when(0).thenDropped("no money").thenState({ total: 5 });
    jar.given(5).when(Number.NaN).thenDeadLettered("no number").thenState({ total: 5 });
    expect(() => jar.when(0).thenDeadLettered("no money")).toThrow(AssertionError);
  });

  it("fires timers that the state asks for, and says which there are where it asks for none of that name", () => {
    jar.given(5).whenRings("rest").thenDecided({ kind: "forgotten", total: 5, at: 60_000 }).thenState(null);
    jar.given(5).whenRings("rest").when(3).thenState({ total: 3 });
    expect(() => jar.given(5).whenRings("nap")).toThrow("asks for no timer 'nap'");
    expect(() => jar.given(500).whenRings("rest")).toThrow("asks for no timer 'rest'");
    expect(() => jar.whenRings("rest")).toThrow("asks for no timer 'rest'");
  });

  it("fails with what was expected beside what there is", () => {
    expect(() => jar.when(5).thenDecided({ kind: "paid", total: 6 })).toThrow(/\+\s+total: 5[\s\S]*-\s+total: 6/);
    expect(() => jar.when(5).thenState({ total: 6 })).toThrow(AssertionError);
    expect(() => jar.when(5).thenDropped("no money")).toThrow(AssertionError);
    expect(() => jar.when(5).thenDecided()).toThrow(AssertionError);
  });

  it("keeps states as JSON, as the pipeline does: what does not survive it is seen", () => {
    const last = testFold({
      initial: { at: new Date(0) },
      decide: (_, at: Date) => [at],
      evolve: (_, at: Date) => ({ at }),
    });
    expect(() => last.when(new Date(1)).thenState({ at: new Date(1) })).toThrow(AssertionError);
  });

  it("refuses an evolve that returns nothing, with the sentence of the pipeline", () => {
    const forgetful = testFold({ initial: 0, decide: (_, n: number) => [n], evolve: () => undefined as unknown as number });
    expect(() => forgetful.when(1)).toThrow("evolve returned no state");
  });

  it("holds for the rules of the shop's carts", () => {
    const event = { time: new Date(0), key: "c1", source: "test" };
    const tea: CartEvent = {
      ...{ ...event, id: "1", type: "cart.item_added" },
      data: { cartId: "c1", sku: "tea", quantity: 150, unitPriceCents: 450 },
    };
    const more: CartEvent = { ...tea, id: "2" };
    testFold({ initial: emptyCart, decide: decideCart, evolve: evolveCart })
      .given(tea)
      .when(more)
      .thenDecided({ ...more, type: "cart.item_rejected", data: { ...more.data, reason: "over 200 in all" } });
  });
});
