import type { WorkflowFailedError } from "@temporalio/client";
import { ApplicationFailure } from "@temporalio/common";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Activities, createActivities, createParticipants } from "../../../activities/index.ts";
import { type CartEvent, decideCart, emptyCart, evolveCart } from "../../../pipelines/cart-rules.ts";
import { carts } from "../../../pipelines/streams.ts";
import { Refusal } from "../../../src/participant/participant.ts";
import { checkout } from "../../../workflows/checkout.ts";
import { depsOfCart } from "../../support/one-cart.ts";
import { redisClient } from "../../support/redis.ts";
import {
  bundleApplication,
  openSagaBench,
  openSkippingBench,
  type SagaBench,
  type SkippingBench,
} from "../../support/saga-bench.ts";
import { redisUrl, unique } from "../../support/services.ts";
import { expectedOf, stepOfKey, troubled, troubles } from "./trouble.ts";

let bench: SagaBench;
let skipping: SkippingBench;
let redis: Awaited<ReturnType<typeof redisClient>>;
/** Begun with the file, beside the other tests. */
let killed: ReturnType<typeof killInEachStep>;
beforeAll(async () => {
  const code = await bundleApplication();
  [bench, skipping, redis] = await Promise.all([openSagaBench(code), openSkippingBench(code), redisClient(await redisUrl())]);
  killed = killInEachStep();
  killed.catch(() => {}); // its test looks at it
}, 120_000);
afterAll(async () => {
  await killed?.catch(() => {});
  await Promise.all([bench.close(), skipping.close()]);
  redis.destroy();
}, 60_000);

const { steps } = checkout.saga;

describe.each(steps.map(({ name }) => name))("a checkout whose step '%s'", (step) => {
  it.each(troubles.filter((one) => one !== "worker killed"))("is %s", async (trouble) => {
    // A fault is tried for two minutes, which take no time there. It is no server to cancel on: what runs does not hear of it.
    const on = trouble === "cancelled" ? bench : skipping;
    const shop = await openShop();
    const { activities, struck } = troubled(shop.activities, checkout.saga, {
      stepOf,
      step,
      trouble,
      cancel: () => on.client.workflow.getHandle(shop.workflowId).cancel(),
    });
    const { workflowId, input } = shop;
    await on.run(checkout, { workflowId, input }, activities, async (handle) => {
      const place = (name: string) => steps.findIndex((one) => one.name === name || one.kind === name);
      if (trouble === "refused" && place(step) > place("pivot")) {
        await vi.waitFor(
          async () => expect((await handle.describe()).searchAttributes).toMatchObject({ NeedsAttention: [true] }),
          { timeout: 30_000 },
        );
        await handle.executeUpdate<string, [string]>("retryNow", { args: ["it was asked for"] });
      }
      await handle.result().catch(() => {});
      const { status } = await handle.describe();
      const expected = expectedOf(checkout.saga, step, trouble);
      expect({ status: status.name, ...(await shop.outcome()) }).toEqual({
        status: expected.status,
        ...shop.expected(expected.steps),
      });
    });
    expect(struck()).toBe(true);
  });
});

describe("a checkout", () => {
  it("of a cart that another one has frozen is refused, and leaves the freeze of the other alone", async () => {
    const shop = await openShop();
    const second = { ...shop.input, checkoutId: unique("checkout-") };
    await bench.run(checkout, { workflowId: `checkout/${second.checkoutId}`, input: second }, shop.activities, async (handle) => {
      const failure = await handle.result().then(
        () => undefined,
        (error: WorkflowFailedError) => error.cause as ApplicationFailure,
      );
      expect(failure).toMatchObject({ type: "SagaUndone", details: [{ step: "freeze", type: "CartNotFree" }] });
    });
    expect(await shop.outcome()).toMatchObject({ cart: "frozen", payment: undefined, told: ["order.refused"] });
    const { workflowId, input } = shop;
    await bench.run(checkout, { workflowId, input }, shop.activities, (handle) => handle.result());
    expect(await shop.outcome()).toMatchObject({ cart: "checked out", payment: "captured" });
  });

  it("that is asked for again when Temporal has forgotten it charges nothing, and has the same order", async () => {
    const shop = await openShop();
    const { workflowId, input } = shop;
    const first = await bench.run(checkout, { workflowId, input }, shop.activities, (handle) => handle.result());
    const before = await shop.outcome();
    // Nothing rejects an id that has run before: so it is behind Temporal's retention.
    expect(await bench.run(checkout, { workflowId, input }, shop.activities, (handle) => handle.result())).toEqual(first);
    expect(await shop.outcome()).toEqual(before);
  });
});

it("a checkout whose worker is killed in the middle of a step goes on elsewhere, whatever the step", async () => {
  for (const { name, shop } of await killed) {
    const expected = expectedOf(checkout.saga, name, "worker killed");
    expect(await shop.outcome(), name).toEqual(shop.expected(expected.steps));
  }
}, 120_000);

/** Kills a worker in the middle of a step, of each step of a checkout, and has another go on. Most of its time, activities are waited for that hang. */
async function killInEachStep() {
  const taskQueue = unique("sagas-");
  const shops = await Promise.all(steps.map(async ({ name }) => ({ name, shop: await openShop() })));
  /** Each checkout's activities, its step hanging on the first worker after it was done. */
  const on = (isDoomed: boolean) => {
    const all = shops.map(({ name, shop }) => ({
      of: shop.workflowId,
      activities: isDoomed
        ? troubled(shop.activities, checkout.saga, { step: name, trouble: "worker killed", hanging, stepOf }).activities
        : shop.activities,
    }));
    const names = Object.keys(shops[0]?.shop.activities ?? {}) as (keyof Activities)[];
    return Object.fromEntries(
      names.map((name) => [
        name,
        (key: string, ...rest: never[]) => {
          const [mine] = all.filter(({ of }) => key.startsWith(`${of}/`)).map(({ activities }) => activities[name]);
          return (mine as (...args: unknown[]) => Promise<unknown>)(key, ...rest);
        },
      ]),
    );
  };
  const doomed = await bench.startWorker(taskQueue, on(true), { shutdownGraceTime: 1, shutdownForceTime: 500 });
  const dying = doomed.run().catch(() => {});
  const handles = await Promise.all(
    shops.map(({ shop }) =>
      bench.client.workflow.start(checkout, { taskQueue, workflowId: shop.workflowId, args: [shop.input] }),
    ),
  );
  // Long enough for each of them to hang in its step.
  await vi.waitFor(() => expect(hanging.size).toBe(steps.length), { timeout: 30_000 });
  doomed.shutdown();
  await dying;
  const heir = await bench.startWorker(taskQueue, on(false));
  await heir.runUntil(Promise.all(handles.map((handle) => handle.result())));
  return shops;
}

const hanging = new Set<string>();

/** Behind the pivot two steps go on with what earlier ones have begun, under their keys. */
const stepOf = (activity: string, key: string): string =>
  ({ capturePayment: "capture", sellStock: "stock-sold" })[activity] ?? stepOfKey(key);

/** A shop with one frozen cart: the stores of its participants are real, the cart follows the rules of its pipeline. */
async function openShop() {
  const [checkoutId, cartId, sku] = [unique("checkout-"), unique("cart-"), unique("sku-")];
  const workflowId = `checkout/${checkoutId}`;
  let cart = emptyCart;
  const told: { readonly type: string; readonly data: object }[] = [];
  const toCart = (event: CartEvent) => {
    const changes = decideCart(cart, event);
    if (Array.isArray(changes)) for (const change of changes) cart = evolveCart(cart, change);
  };
  const event = (type: string, data: object) =>
    toCart({ id: unique(), type, time: new Date(), data: { cartId, ...data } } as CartEvent);
  event("cart.created", { userId: "user-1" });
  event("cart.item_added", { sku, quantity: 2, unitPriceCents: 350 });
  event("cart.checkout_requested", { checkoutId, paymentToken: "tok" });

  const participants = createParticipants({ redis });
  const client = (name: string) => {
    const found = participants.find((one) => one.name === name);
    return Object.fromEntries(
      Object.entries(found?.verbs ?? {}).map(([verb, { run }]) => [
        verb,
        (request: unknown) =>
          run(request as never).catch((error: unknown) => {
            throw error instanceof Refusal ? ApplicationFailure.nonRetryable(error.message, error.type) : error;
          }),
      ]),
    );
  };
  const ofCart = depsOfCart({ kept: () => ({ state: cart, updatedAt: 0 }), take: toCart, now: Date.now });
  const activities = createActivities({
    participant: (name) => client(name) as never,
    ...ofCart,
    archive: {} as never,
    cleanLogs: {} as never,
    traceparent: () => undefined,
    announce: async (stream, draft) => {
      if (stream.plan === carts.plan) await ofCart.announce(carts, draft as never);
      else told.push({ type: draft.type, data: draft.data as object });
    },
  });
  return {
    workflowId,
    activities,
    input: { checkoutId, cartId, userId: "user-1", paymentToken: "tok", lines: cart.lines },
    outcome: async () => ({
      cart: cart.status,
      stock: (await redis.hGet("shop:{stock}:holds", `${workflowId}/stock`))?.replace(/\|.*/, ""),
      available: Number((await redis.hGet("shop:{stock}:available", sku)) ?? 1_000_000),
      payment: (await redis.hGet("shop:{payments}", `${workflowId}/payment`))?.replace(/\|.*/, ""),
      order: await redis.hGet("shop:{orders}:by-key", `${workflowId}/order`),
      isOrdered: (await redis.hExists("shop:{orders}", `order-${checkoutId}`)) === 1,
      told: [...new Set(told.map(({ type }) => type))],
    }),
    /** What the books of the participants must say, by what has become of the steps. */
    expected: (states: Readonly<Record<string, "none" | "done" | "undone">>) => {
      const isSold = states["order"] === "done";
      return {
        cart: isSold ? "checked out" : "open",
        stock: { none: undefined, done: "sold", undone: "released" }[states["stock"] ?? "none"],
        available: isSold ? 999_998 : 1_000_000,
        payment: { none: undefined, done: "captured", undone: "voided" }[states["payment"] ?? "none"],
        order: { none: null, done: `order-${checkoutId}`, undone: "cancelled" }[states["order"] ?? "none"],
        isOrdered: isSold,
        told: [isSold ? "order.placed" : "order.refused"],
      };
    },
  };
}
