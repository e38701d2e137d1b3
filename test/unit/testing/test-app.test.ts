import { Refusal } from "headrace/participant";
import { testApp } from "headrace/testing";
import { describe, expect, it } from "vitest";
import { createActivities } from "../../../activities/index.ts";
import * as events from "../../../pipelines/events.ts";
import { app } from "../../../pipelines/index.ts";
import { appLogins, cart as cartState, carts, logins } from "../../../pipelines/streams.ts";
import { cartSweep } from "../../../workflows/cart-sweep.ts";
import * as workflows from "../../../workflows/index.ts";

const now = new Date("2026-05-01T12:00:00Z");
const minute = 60_000;
const cartId = "c-1";
const lamp = { cartId, sku: "lamp", quantity: 2, unitPriceCents: 350 };
const pay = (checkoutId: string, paymentToken = "tok") => events.checkoutRequested({ cartId, checkoutId, paymentToken });

/** The reference shop, whose bank declines one token. */
const openShop = () => {
  const asked: string[] = [];
  const answers = (verbs: readonly string[], more: Readonly<Record<string, (request: never) => unknown>> = {}) =>
    Object.fromEntries(
      verbs.map((verb) => [
        verb,
        (request: { readonly key: string }) => {
          asked.push(`${verb} ${request.key}`);
          return more[verb]?.(request as never);
        },
      ]),
    );
  const test = testApp(app, {
    now,
    workflows,
    activities: createActivities,
    participants: {
      catalogue: { quote: () => ({ totalCents: 700 }) },
      stock: answers(["reserve", "release", "sell"]),
      payments: answers(["authorise", "void", "capture"], {
        authorise: ({ token }: { readonly token: string }) => {
          if (token === "tok_declined") throw new Refusal("PaymentDeclined", "the card was declined");
        },
      }),
      orders: answers(["place", "cancel"], {
        place: ({
          order: { checkoutId, totalCents },
        }: {
          readonly order: { readonly checkoutId: string; readonly totalCents: number };
        }) => ({
          orderId: `order-${checkoutId}`,
          checkoutId,
          totalCents,
        }),
      }),
    },
  });
  return { test, asked };
};

describe("testApp", () => {
  it("sells a cart: from the press of pay over pipeline, saga and stream to the row of the order", async () => {
    const { test, asked } = openShop();
    await test.send([events.cartCreated({ cartId, userId: "ada" }), events.itemAdded(lamp), pay("p-1")], carts);
    const { tables, streams, workflows: seen, audits, deadLetters } = await test.run();
    expect(seen["checkout/p-1"]).toMatchObject({
      workflow: "checkout",
      status: "completed",
      result: { orderId: "order-p-1" },
      saga: { outcome: "completed" },
    });
    expect(asked.map((one) => one.replace("checkout/p-1/", ""))).toEqual([
      "reserve stock",
      "authorise payment",
      "place order",
      "capture payment",
      "sell stock",
    ]);
    expect(tables["order_outcomes"]).toMatchObject([
      { checkout_id: "p-1", order_id: "order-p-1", cart_id: cartId, user_id: "ada", outcome: "placed", total_cents: 700 },
    ]);
    expect(streams["orders"]).toMatchObject([{ type: "order.placed", source: "sagas" }]);
    expect(await test.stateOf(cartState, cartId)).toMatchObject({ state: { status: "checked out", checkoutId: "p-1" } });
    expect(tables["cart_events"]?.map(({ type }) => type)).toEqual([
      "cart.created",
      "cart.item_added",
      "cart.checkout_requested",
      "cart.checked_out",
    ]);
    expect(audits["carts"]).toMatchObject({ read: 4, delivered: 4, balanced: true });
    expect(deadLetters).toEqual([]);
  });

  it("undoes a checkout that the bank declines, and the cart is open again", async () => {
    const { test, asked } = openShop();
    await test.send([events.cartCreated({ cartId, userId: "ada" }), events.itemAdded(lamp), pay("p-1", "tok_declined")], carts);
    const { tables, workflows: seen } = await test.run();
    expect(seen["checkout/p-1"]).toMatchObject({ status: "failed", saga: { outcome: "undone" } });
    expect(asked.map((one) => one.replace("checkout/p-1/", "")).slice(-2)).toEqual(["void payment", "release stock"]);
    expect(tables["order_outcomes"]).toMatchObject([{ outcome: "refused", reason: "PaymentDeclined" }]);
    expect(await test.stateOf(cartState, cartId)).toMatchObject({ state: { status: "open", undone: ["p-1"] } });
    // A press that is sent again begins nothing; another one does.
    await test.send([{ ...pay("p-1"), id: "again" }, pay("p-2")], carts);
    const next = await test.run();
    expect(next.tables["cart_events"]?.map(({ type }) => type)).toContain("cart.checkout_refused");
    expect(Object.values(next.workflows).map(({ status }) => status)).toEqual(["scheduled", "failed", "completed"]);
  });

  it("lets time pass: a cart that nobody touches is given up by its watch", async () => {
    const { test } = openShop();
    await test.send([events.cartCreated({ cartId, userId: "ada" }), events.itemAdded(lamp)], carts);
    expect((await test.run()).workflows[`cart-watch/${cartId}`]).toMatchObject({ status: "scheduled" });
    await test.advance(20 * minute);
    await test.send([events.itemAdded(lamp)], carts);
    expect((await test.advance(20 * minute)).workflows[`cart-watch/${cartId}`]).toMatchObject({ status: "running" });
    const { workflows: seen } = await test.advance(15 * minute);
    expect(seen[`cart-watch/${cartId}`]).toMatchObject({ status: "completed", result: "abandoned" });
    expect(await test.stateOf(cartState, cartId)).toMatchObject({ state: { status: "abandoned" } });
  });

  it("starts workflows by hand, and the sweep finds what is kept", async () => {
    const { test } = openShop();
    await test.send([events.cartCreated({ cartId, userId: "ada" })], carts);
    await test.run();
    await test.start(cartSweep, { workflowId: "sweep", input: {} });
    expect((await test.run()).workflows["sweep"]).toMatchObject({ status: "completed", result: { looked: 1, abandoned: 0 } });
    await expect(async () => test.workflow("nobody").query("saga")).rejects.toThrow("no workflow 'nobody' was started");
  });

  it("runs the pipelines behind each other, over their streams", async () => {
    const test = testApp(app, { now });
    const failed = (n: number) => ({
      ...events.loginFailed({ userId: "eve", ip: "203.0.113.7" }),
      time: new Date(now.getTime() + n),
    });
    await test.send(
      Array.from({ length: 5 }, (_, n) => failed(n)),
      logins,
    );
    test.add({ data: JSON.stringify({ type: "login.failed", data: { userId: "eve", ip: "203.0.113.7" } }) }, appLogins);
    const { streams, tables, audits } = await test.advance(10 * minute);
    expect(tables["login_events"]).toHaveLength(6);
    expect(streams["alerts"]?.map(({ data }) => data)).toEqual(
      expect.arrayContaining([expect.objectContaining({ userId: "eve" }), expect.objectContaining({ ip: "203.0.113.7" })]),
    );
    for (const { balanced } of Object.values(audits)) expect(balanced).toBe(true);
  });

  it("survives the death of its worker, and starts nothing twice", async () => {
    const { test, asked } = openShop();
    await test.send([events.cartCreated({ cartId, userId: "ada" }), events.itemAdded(lamp), pay("p-1")], carts);
    test.crash({ call: "commit", when: "before" });
    const { workflows: seen, tables } = await test.run();
    expect(seen["checkout/p-1"]).toMatchObject({ status: "completed" });
    expect(asked.filter((one) => one.startsWith("capture"))).toHaveLength(1);
    expect(tables["cart_events"]).toHaveLength(4);
  });

  it("says which workflow it lacks, and what it has no stand-in for", async () => {
    const test = testApp(app, { now });
    await test.send([events.cartCreated({ cartId, userId: "ada" })], carts);
    await expect(test.run()).rejects.toThrow("there is no workflow 'cartWatch'");
  });
});
