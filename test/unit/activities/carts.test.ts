import { describe, expect, it } from "vitest";
import { cartActivities } from "../../../activities/carts.ts";
import { orderActivities } from "../../../activities/orders.ts";
import { type Cart, type CartEvent, decideCart, emptyCart, evolveCart } from "../../../pipelines/cart-rules.ts";
import { depsOfCart } from "../../support/one-cart.ts";

const cartId = "c-1";
const event = (type: string, data: object = {}) =>
  ({ id: "", type, time: new Date(0), key: cartId, source: "", data: { cartId, ...data } }) as CartEvent;
const pay = (checkoutId: string) => event("cart.checkout_requested", { checkoutId, paymentToken: "tok" });
const unfrozen = (checkoutId: string) => event("cart.unfrozen", { checkoutId });
const cartAfter = (events: readonly CartEvent[], cart: Cart = emptyCart) =>
  events.reduce((before, one) => decideCart(before, one).reduce(evolveCart, before), cart);
const filled = cartAfter([
  event("cart.created", { userId: "u" }),
  event("cart.item_added", { sku: "cup", quantity: 1, unitPriceCents: 1 }),
]);

/** What a checkout does with what is kept of its cart. */
function openShop(kept: Cart | undefined) {
  let looks = 0;
  const deps = depsOfCart({
    kept: () => {
      looks++;
      return kept && { state: kept, updatedAt: 0 };
    },
    take: () => {},
    now: () => 0,
  });
  const placed: string[] = [];
  const orders = {
    place: async ({ key, order }: { readonly key: string; readonly order: { readonly checkoutId: string } }) => {
      placed.push(key);
      return { orderId: "o", checkoutId: order.checkoutId, totalCents: 1 };
    },
  };
  const { placeOrder } = orderActivities(orders as never, deps);
  return {
    placed,
    looks: () => looks,
    freeze: (checkoutId: string, version?: number) => cartActivities(deps).freezeCart("key", { cartId, checkoutId, version }),
    place: (checkoutId: string) => placeOrder("key", { checkoutId, cartId, userId: "u", totalCents: 1 }),
  };
}

describe("the first step of a checkout", () => {
  const frozen = cartAfter([pay("p1")], filled);

  it("looks once at a cart that it has frozen, and goes on", async () => {
    const { freeze, looks } = openShop(frozen);
    await freeze("p1", frozen.version);
    expect(looks()).toBe(1);
  });

  it.each<[was: string, kept: Cart | undefined]>([
    ["nothing of the cart", undefined],
    ["the cart before it was paid for", filled],
    ["the cart in the hands of a checkout before, which was undone meanwhile", frozen],
  ])("does not wait for its commit where what is kept is %s", async (_, kept) => {
    const { freeze, looks } = openShop(kept);
    const version = cartAfter([unfrozen("p1"), pay("p2")], frozen).version;
    await freeze("p2", version);
    expect(looks()).toBe(1);
  });

  it.each<[was: string, kept: Cart, why: string]>([
    ["frozen by another checkout", frozen, "it is frozen"],
    ["sold to another", cartAfter([event("cart.checked_out", { checkoutId: "p1" })], frozen), "it is checked out"],
    ["given up", cartAfter([event("cart.abandoned")], filled), "it is abandoned"],
    ["open, since this one was undone", cartAfter([pay("p2"), unfrozen("p2")], filled), "this checkout was undone before"],
  ])("is refused where the cart is %s, at the version that it was told or at a later one, or at none", async (_, kept, why) => {
    for (const version of [kept.version, kept.version - 1, undefined])
      await expect(openShop(kept).freeze("p2", version)).rejects.toMatchObject({
        type: "CartNotFree",
        nonRetryable: true,
        message: `cart 'c-1' cannot be sold to 'p2': ${why}`,
      });
  });

  it("that was told no version, since it runs for longer than that, goes on with a cart that is still to be frozen", async () => {
    await openShop(filled).freeze("p1");
    await openShop(undefined).freeze("p1");
  });
});

describe("the order of a checkout", () => {
  it("is placed once its cart is frozen by it, or sold to it", async () => {
    const frozen = cartAfter([pay("p1")], filled);
    for (const kept of [frozen, cartAfter([event("cart.checked_out", { checkoutId: "p1" })], frozen)]) {
      const { place, placed } = openShop(kept);
      await place("p1");
      expect(placed).toEqual(["key"]);
    }
  });

  it("is not placed before that commit, and is tried again", async () => {
    for (const kept of [undefined, filled, cartAfter([pay("p2")], filled)]) {
      const { place, placed } = openShop(kept);
      const error: unknown = await place("p1").catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ message: expect.stringContaining("is not frozen by 'p1' yet") });
      expect(error).not.toHaveProperty("nonRetryable");
      expect(placed).toEqual([]);
    }
  });
});
