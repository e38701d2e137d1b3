import { describe, expect, it } from "vitest";
import {
  type Cart,
  type CartChange,
  type CartEvent,
  capacity,
  decideCart,
  emptyCart,
  evolveCart,
  migrateCart,
  totalCents,
} from "../../../pipelines/cart-rules.ts";

let ids = 0;
const base = (id = `e${++ids}`) => ({ id, time: new Date(0), key: "c1", source: "test" });
const created = (userId = "u1", id?: string): CartEvent => ({
  ...base(id),
  type: "cart.created",
  data: { cartId: "c1", userId },
});
const added = (sku: string, quantity = 1, unitPriceCents = 100, id?: string): CartEvent => ({
  ...base(id),
  type: "cart.item_added",
  data: { cartId: "c1", sku, quantity, unitPriceCents },
});
const removed = (sku: string, quantity = 1, id?: string): CartEvent => ({
  ...base(id),
  type: "cart.item_removed",
  data: { cartId: "c1", sku, quantity },
});
const changed = (sku: string, quantity: number, id?: string): CartEvent => ({
  ...base(id),
  type: "cart.quantity_changed",
  data: { cartId: "c1", sku, quantity },
});
const checkout = (id?: string, checkoutId = "x1"): CartEvent => ({
  ...base(id),
  type: "cart.checkout_requested",
  data: { cartId: "c1", checkoutId, paymentToken: "tok" },
});
const checkedOut = (checkoutId = "x1"): CartEvent => ({
  ...base(),
  type: "cart.checked_out",
  data: { cartId: "c1", checkoutId },
});
const unfrozen = (checkoutId = "x1"): CartEvent => ({ ...base(), type: "cart.unfrozen", data: { cartId: "c1", checkoutId } });
const abandoned = (id?: string): CartEvent => ({ ...base(id), type: "cart.abandoned", data: { cartId: "c1" } });

/** What the fold does: decides, then moves the cart on by what was decided. */
function apply(
  events: readonly CartEvent[],
  from: Cart = emptyCart,
): { readonly cart: Cart; readonly changes: readonly CartChange[]; readonly dropped: readonly string[] } {
  let cart = from;
  const dropped: string[] = [];
  const changes: CartChange[] = [];
  for (const event of events) {
    for (const change of decideCart(cart, event)) {
      if (change.type === "cart.ignored") dropped.push(change.data.reason);
      else changes.push(change);
      cart = evolveCart(cart, change);
    }
  }
  return { cart, changes, dropped };
}

const reasons = (changes: readonly CartChange[]) =>
  changes.flatMap((change) => ("reason" in change.data ? [change.data.reason] : []));
const quantities = ({ lines }: Cart) => Object.fromEntries(lines.map(({ sku, quantity }) => [sku, quantity]));
const fifty = Array.from({ length: capacity.items }, (_, n) => added(`sku-${n}`));

describe("a cart", () => {
  it("is one cart, however often it is created, and belongs to the user who made it", () => {
    const { cart, changes, dropped } = apply([created("u1"), added("a"), created("u2"), created("u1")]);
    expect(cart.userId).toBe("u1");
    expect(quantities(cart)).toEqual({ a: 1 });
    expect(changes).toHaveLength(2);
    expect(dropped).toEqual(["created before", "created before"]);
  });

  it("adds up what is added, at the price of the latest addition", () => {
    const { cart } = apply([added("a", 2, 100), added("a", 3, 150), added("b", 1, 7)]);
    expect(cart.lines).toEqual([
      { sku: "a", quantity: 5, unitPriceCents: 150 },
      { sku: "b", quantity: 1, unitPriceCents: 7 },
    ]);
    expect(totalCents(cart.lines)).toBe(757);
  });

  it("takes 50 items, and refuses the next with its reason; more of one that is there it takes", () => {
    const { cart, changes } = apply([...fifty, added("one too many"), added("sku-0", 5)]);
    expect(cart.lines).toHaveLength(50);
    expect(reasons(changes)).toEqual(["over 50 items"]);
    expect(quantities(cart)).toMatchObject({ "sku-0": 6 });
    expect(quantities(cart)).not.toHaveProperty("one too many");
  });

  it("takes 200 in all, and refuses what goes over, whole, with its reason", () => {
    const { cart, changes } = apply([added("a", 150), added("b", 50), added("c", 1), added("a", 1)]);
    expect(quantities(cart)).toEqual({ a: 150, b: 50 });
    expect(reasons(changes)).toEqual(["over 200 in all", "over 200 in all"]);
  });

  it("refuses a first addition that is too large, and keeps nothing of it", () => {
    const { cart, changes } = apply([added("a", 201)]);
    expect(cart.lines).toEqual([]);
    expect(reasons(changes)).toEqual(["over 200 in all"]);
  });

  it("has room again after a removal", () => {
    const { cart, changes } = apply([...fifty, removed("sku-7"), added("new")]);
    expect(reasons(changes)).toEqual([]);
    expect(cart.lines).toHaveLength(50);
    expect(quantities(cart)).toHaveProperty("new", 1);
  });

  it("tells a refusal as an event that says what was refused and why", () => {
    const event = added("a", 500, 1, "too-many");
    const [refusal] = apply([event]).changes;
    expect(refusal).toEqual({ ...event, type: "cart.item_rejected", data: { ...event.data, reason: "over 200 in all" } });
  });

  it("prices a line as its last addition did; a change of quantity keeps the price", () => {
    const { cart } = apply([created(), added("a", 1, 100), added("b", 1, 70), added("a", 1, 1), changed("b", 3)]);
    expect(cart.lines).toEqual([
      { sku: "a", quantity: 2, unitPriceCents: 1 },
      { sku: "b", quantity: 3, unitPriceCents: 70 },
    ]);
    // Once a line is gone, so is its price.
    expect(apply([removed("b", 3), added("b", 1, 80)], cart).cart.lines[1]).toMatchObject({ quantity: 1, unitPriceCents: 80 });
  });

  it("lets go of what is removed, in part or whole", () => {
    expect(quantities(apply([added("a", 5), removed("a", 2)]).cart)).toEqual({ a: 3 });
    expect(quantities(apply([added("a", 5), removed("a", 5)]).cart)).toEqual({});
  });

  it("refuses to remove what it does not hold, or more than it holds", () => {
    const { cart, changes } = apply([removed("a"), added("a", 2), removed("a", 3)]);
    expect(reasons(changes)).toEqual(["not in the cart", "more than the cart holds"]);
    expect(quantities(cart)).toEqual({ a: 2 });
  });

  it("sets a quantity, keeps the price, and lets go of an item at 0", () => {
    const { cart } = apply([added("a", 5, 120), changed("a", 2), added("b", 1), changed("b", 0)]);
    expect(cart.lines).toEqual([{ sku: "a", quantity: 2, unitPriceCents: 120 }]);
  });

  it("refuses to set the quantity of what it does not hold, or beyond its capacity", () => {
    const { cart, changes } = apply([changed("a", 2), added("a", 2), changed("a", 201), changed("a", 200)]);
    expect(reasons(changes)).toEqual(["not in the cart", "over 200 in all"]);
    expect(quantities(cart)).toEqual({ a: 200 });
  });

  it("may shrink while it is over its capacity, and may not grow", () => {
    const over: Cart = {
      status: "open",
      userId: "u1",
      lines: [{ sku: "a", quantity: 300, unitPriceCents: 1 }],
      version: 0,
      touchedAt: 0,
    };
    const { cart, changes } = apply([changed("a", 250), added("b", 1), removed("a", 10)], over);
    expect(reasons(changes)).toEqual(["over 200 in all"]);
    expect(quantities(cart)).toEqual({ a: 240 });
  });

  it("gives a checkout what it holds at that moment, and refuses edits and other checkouts from then on", () => {
    const { cart, changes } = apply([
      created("u1"),
      added("a", 2, 100),
      checkout(),
      added("b"),
      removed("a"),
      changed("a", 1),
      checkout("other", "x2"),
      checkout("again", "x1"),
    ]);
    const request = changes.find((change) => change.type === "cart.checkout_requested");
    expect(request).toMatchObject({ data: { checkoutId: "x1" }, cart: { userId: "u1", lines: [{ sku: "a", quantity: 2 }] } });
    expect(cart).toMatchObject({ status: "frozen", checkoutId: "x1" });
    expect(quantities(cart)).toEqual({ a: 2 });
    expect(reasons(changes)).toEqual(Array.from({ length: 4 }, () => "a checkout is under way"));
    expect(changes.at(-2)).toMatchObject({ type: "cart.checkout_refused", data: { checkoutId: "x2" } });
    expect(changes.at(-1)).toMatchObject({ type: "cart.checkout_requested", cart: { lines: [{ sku: "a", quantity: 2 }] } });
  });

  it("takes edits again when the checkout that froze it was undone, and no other one", () => {
    const { cart, changes, dropped } = apply([
      added("a"),
      checkout(),
      unfrozen("x2"),
      added("b"),
      unfrozen("x1"),
      added("b"),
      checkout("again"),
    ]);
    expect(quantities(cart)).toEqual({ a: 1, b: 1 });
    expect(cart.status).toBe("open");
    expect(cart).not.toHaveProperty("checkoutId");
    expect(dropped).toEqual(["not frozen by it"]);
    expect(reasons(changes)).toEqual(["a checkout is under way", "this checkout was undone"]);
    expect(apply([checkout("new", "x3")], cart).cart).toMatchObject({ status: "frozen", checkoutId: "x3" });
  });

  it("is closed by the checkout that froze it, for good", () => {
    const { cart, changes, dropped } = apply([
      added("a"),
      checkout(),
      checkedOut(),
      added("b"),
      unfrozen(),
      abandoned(),
      checkout("again"),
      checkout("new", "x2"),
    ]);
    expect(cart.status).toBe("checked out");
    expect(dropped).toEqual(["not frozen by it", "not open"]);
    expect(reasons(changes)).toEqual(["checked out", "checked out"]);
    expect(changes.at(-2)).toMatchObject({ type: "cart.checkout_requested", data: { checkoutId: "x1" } });
  });

  it("can be abandoned while it is open, and then takes nothing more", () => {
    expect(apply([added("a"), abandoned(), added("b")])).toMatchObject({
      cart: { status: "abandoned", lines: [{ sku: "a" }] },
      changes: [{}, { type: "cart.abandoned" }, { type: "cart.item_rejected", data: { reason: "abandoned" } }],
    });
    expect(apply([added("a"), checkout(), abandoned()])).toMatchObject({ cart: { status: "frozen" }, dropped: ["not open"] });
  });

  it("is not given up by somebody who has looked at it before it was touched", () => {
    const looked = apply([added("a")]).cart;
    const givenUp = (version: number): CartEvent => ({ ...base(), type: "cart.abandoned", data: { cartId: "c1", version } });
    expect(apply([givenUp(looked.version)], looked).cart.status).toBe("abandoned");
    expect(apply([added("b"), givenUp(looked.version)], looked)).toMatchObject({
      cart: { status: "open" },
      dropped: ["touched meanwhile"],
    });
  });

  it("counts its changes, and remembers the time of the newest, whatever it ignores or rejects", () => {
    const at = (event: CartEvent, ms: number): CartEvent => ({ ...event, time: new Date(ms) });
    const { cart } = apply([at(added("a"), 5_000), at(added("b"), 3_000), at(removed("z"), 9_000), at(unfrozen("x9"), 9_000)]);
    expect(cart).toMatchObject({ version: 2, touchedAt: 5_000 });
  });

  it("of the first form is taken over", () => {
    const old = { status: "open", userId: "u1", lines: [] };
    expect(migrateCart({ ...old, seen: ["e1"] })).toEqual({ ...old, version: 0, touchedAt: 0 });
  });

  it("changes no cart in place", () => {
    const frozen: Cart = Object.freeze({
      status: "open",
      userId: "u1",
      lines: Object.freeze([Object.freeze({ sku: "a", quantity: 1, unitPriceCents: 1 })]),
      version: 1,
      touchedAt: 0,
    });
    const { cart } = apply([added("a"), added("b"), changed("a", 9), removed("b"), checkout()], frozen);
    expect(quantities(cart)).toEqual({ a: 9 });
    expect(frozen.lines).toEqual([{ sku: "a", quantity: 1, unitPriceCents: 1 }]);
    expect(JSON.parse(JSON.stringify(cart))).toEqual(cart);
  });
});
