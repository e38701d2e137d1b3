import { MockActivityEnvironment } from "@temporalio/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CartSweepInput, cartActivities } from "../../../activities/carts.ts";
import { type Cart, type CartEvent, decideCart, emptyCart, evolveCart } from "../../../pipelines/cart-rules.ts";
import { cartWatch } from "../../../workflows/cart-watch.ts";
import { depsOfCart } from "../../support/one-cart.ts";
import { bundleApplication, openSkippingBench, type SkippingBench } from "../../support/saga-bench.ts";
import { unique } from "../../support/services.ts";

let bench: SkippingBench;
beforeAll(async () => {
  bench = await openSkippingBench(await bundleApplication());
}, 120_000);
afterAll(() => bench.close());

const minute = 60_000;

/** A cart that follows the rules of its pipeline, and what watches call; its time is the server's, which skips. */
function openCart(cartId = unique("cart-"), clockSlowMs = 0) {
  let cart: Cart | undefined = emptyCart;
  let now = 0;
  /** When the pipeline has last taken something of it. */
  let updatedAt = 0;
  const told: CartEvent[] = [];
  const looks: number[] = [];
  const take = (event: CartEvent) => {
    told.push(event);
    updatedAt = now;
    for (const change of cart ? decideCart(cart, event) : []) cart = evolveCart(cart as Cart, change);
  };
  const say = (type: string, data: object = {}) =>
    take({ id: unique(), type, time: new Date(now - clockSlowMs), data: { cartId, ...data } } as CartEvent);
  const activities = cartActivities(depsOfCart({ kept: () => cart && { state: cart, updatedAt }, take, now: () => now }));
  /** Called before each activity, once its time is known. */
  let meanwhile: (call: string) => void = () => {};
  const timed = Object.fromEntries(
    Object.entries(activities).map(([name, run]) => [
      name,
      async (...args: never[]) => {
        now = await bench.environment.currentTimeMs();
        if (name === "lookAtCart") looks.push(now);
        meanwhile(name);
        return (run as (...args: never[]) => unknown)(...args);
      },
    ]),
  );
  return {
    cartId,
    activities: timed,
    looks,
    told,
    say,
    cart: () => cart,
    updatedAt: () => updatedAt,
    vanish: () => {
      cart = undefined;
    },
    at: (time: number) => {
      now = time;
    },
    whenCalled: (what: (call: string) => void) => {
      meanwhile = what;
    },
  };
}

const watch = (shop: ReturnType<typeof openCart>) =>
  bench.run(cartWatch, { input: { cartId: shop.cartId, createdAt: 0 } }, shop.activities, (handle) => handle.result());

describe("the watch over a cart", () => {
  it("gives it up when nobody has touched it for half an hour, with one timer however often it was touched before", async () => {
    const shop = openCart();
    shop.at(await bench.environment.currentTimeMs());
    shop.say("cart.created", { userId: "u" });
    for (let i = 0; i < 20; i++) shop.say("cart.item_added", { sku: `s${i}`, quantity: 1, unitPriceCents: 1 });
    expect(await watch(shop)).toBe("abandoned");
    expect(shop.cart()?.status).toBe("abandoned");
    expect(shop.looks).toHaveLength(2);
    expect((shop.looks[1] ?? 0) - (shop.looks[0] ?? 0)).toBeGreaterThan(29 * minute);
  });

  it("sleeps for the rest when it was touched meanwhile", async () => {
    const shop = openCart();
    shop.at(await bench.environment.currentTimeMs());
    shop.say("cart.created", { userId: "u" });
    let touched = 0;
    shop.whenCalled((call) => {
      if (call === "lookAtCart" && touched++ < 3) shop.say("cart.item_added", { sku: "s", quantity: 1, unitPriceCents: 1 });
    });
    expect(await watch(shop)).toBe("abandoned");
    expect(shop.looks).toHaveLength(4);
  });

  it("lets a cart live while it is touched, also by a customer whose clock is two hours slow", async () => {
    const shop = openCart(undefined, 120 * minute);
    shop.at(await bench.environment.currentTimeMs());
    shop.say("cart.created", { userId: "u" });
    expect(await watch(shop)).toBe("abandoned");
    expect((shop.looks[1] ?? 0) - (shop.looks[0] ?? 0)).toBeGreaterThan(29 * minute);
  });

  it("lets an edit at the last moment win, and goes on", async () => {
    const shop = openCart();
    shop.at(await bench.environment.currentTimeMs());
    shop.say("cart.created", { userId: "u" });
    let edits = 0;
    shop.whenCalled((call) => {
      if (call === "abandonCart" && edits++ === 0) shop.say("cart.item_added", { sku: "s", quantity: 1, unitPriceCents: 1 });
    });
    expect(await watch(shop)).toBe("abandoned");
    expect(edits).toBe(2);
    expect(shop.cart()?.lines).toHaveLength(1);
    expect(shop.told.filter(({ type }) => type === "cart.abandoned")).toHaveLength(2);
  });

  it("waits for a checkout to end, and ends with a cart that was bought or is gone", async () => {
    const shop = openCart();
    shop.at(await bench.environment.currentTimeMs());
    shop.say("cart.created", { userId: "u" });
    shop.say("cart.checkout_requested", { checkoutId: "pay-1", paymentToken: "tok" });
    let looks = 0;
    shop.whenCalled((call) => {
      if (call === "lookAtCart" && ++looks === 3) shop.say("cart.checked_out", { checkoutId: "pay-1" });
    });
    expect(await watch(shop)).toBe("checked out");
    expect(looks).toBe(3);

    const gone = openCart();
    gone.vanish();
    expect(await watch(gone)).toBe("gone");
  });
});

it("the sweep gives up what has lain for long, with nobody to watch it, and leaves all else", async () => {
  const shops = ["old", "fresh", "bought"].map((name) => [name, openCart(name)] as const);
  const now = Date.now();
  for (const [name, shop] of shops) {
    shop.at(name === "fresh" ? now - 59 * minute : now - 61 * minute);
    shop.say("cart.created", { userId: "u" });
    if (name === "bought") shop.say("cart.checkout_requested", { checkoutId: "p", paymentToken: "t" });
  }
  const all = cartActivities(
    depsOfCart({
      kept: () => undefined,
      all: () => shops.map(([name, shop]) => [name, shop.cart() as Cart, shop.updatedAt()] as const),
      take: ({ type, data }) => shops.find(([name]) => name === data.cartId)?.[1].say(type, data),
      now: () => now,
    }),
  );
  const environment = new MockActivityEnvironment();
  expect(await environment.run(all.sweepCarts, "cart-sweep")).toEqual({ looked: 3, abandoned: 1 });
  expect(shops.map(([name, shop]) => `${name} ${shop.cart()?.status}`)).toEqual(["old abandoned", "fresh open", "bought frozen"]);
  // A second sweep finds nothing more to do.
  expect(await environment.run(all.sweepCarts, "cart-sweep")).toEqual({ looked: 3, abandoned: 0 });
});

it("the sweep goes by the customers' clock where it is told to: carts of the past that were only just read", async () => {
  const shop = openCart("of the past", 61 * minute);
  const now = Date.now();
  shop.at(now);
  shop.say("cart.created", { userId: "u" });
  const { sweepCarts } = cartActivities(
    depsOfCart({
      kept: () => undefined,
      all: () => [[shop.cartId, shop.cart() as Cart, shop.updatedAt()]],
      take: ({ type, data }) => shop.say(type, data),
      now: () => now,
    }),
  );
  const sweep = (input: CartSweepInput) => new MockActivityEnvironment().run(sweepCarts, "sweep", input);
  expect(await sweep({})).toEqual({ looked: 1, abandoned: 0 });
  expect(await sweep({ clock: "customers" })).toEqual({ looked: 1, abandoned: 1 });
  expect(shop.cart()?.status).toBe("abandoned");
});
