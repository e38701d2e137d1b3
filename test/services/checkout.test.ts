import { Client, Connection, WorkflowFailedError } from "@temporalio/client";
import { ApplicationFailure } from "@temporalio/common";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Operator, openOperator } from "../support/operator.ts";
import { redisClient } from "../support/redis.ts";
import { unique } from "../support/services.ts";

let operator: Operator;
let redis: Awaited<ReturnType<typeof redisClient>>;
let connection: Connection;
let temporal: Client;

beforeAll(async () => {
  operator = await openOperator();
  redis = await redisClient(operator.env["REDIS_URL"] as string);
  connection = await Connection.connect({ address: operator.env["TEMPORAL_ADDRESS"] as string });
  temporal = new Client({ connection });
  await operator.run(["migrate", "--apply"]);
  await Promise.all([
    operator.start(["start", "--role", "saga", "--json"]),
    operator.start(["start", "--role", "participants", "--json"]),
    operator.start(["start", "--role", "participants", "--json"]),
    operator.start(["start", "--role", "worker", "--pipelines", "carts,orders", "--json"]),
  ]);
}, 120_000);

afterAll(async () => {
  await operator.stopAll();
  await connection.close();
  redis.destroy();
}, 60_000);

describe("a checkout", () => {
  it("sells the cart: its workflow completes, the money is taken once, and its order is a row", async () => {
    const press = cart(
      [
        { sku: "lamp", quantity: 2, unitPriceCents: 2_550 },
        { sku: "desk", quantity: 1, unitPriceCents: 19_900 },
      ],
      "tok_good",
    );
    await send(press.events);

    expect(await resultOf(press.workflowId)).toEqual({ orderId: `order-${press.checkoutId}` });
    expect(await statusOf(press.workflowId)).toBe("COMPLETED");
    expect(await orderOf(press.checkoutId)).toEqual({ ...press.order, outcome: "placed", reason: "", total_cents: 25_000 });
    expect(await paymentsOf(press.workflowId)).toEqual(["captured|25000"]);
    expect(await holdOf(press.workflowId)).toMatch(/^sold\|/);
  });

  it("that the bank declines is undone: the workflow fails as SagaUndone, stock and money are as before, and the refusal is a row", async () => {
    const sku = unique("chair-");
    const sold = cart([{ sku, quantity: 1, unitPriceCents: 100 }], "tok_good");
    await send(sold.events);
    await resultOf(sold.workflowId);
    const before = await stockOf(sku);

    const press = cart([{ sku, quantity: 3, unitPriceCents: 100 }], "tok_declined");
    await send(press.events);

    expect(await failureOf(press.workflowId)).toMatchObject({
      type: "SagaUndone",
      details: [{ step: "payment", type: "PaymentDeclined" }],
    });
    expect(await statusOf(press.workflowId)).toBe("FAILED");
    expect(await stockOf(sku)).toBe(before);
    expect(await holdOf(press.workflowId)).toBe("released|[]");
    expect(await paymentsOf(press.workflowId)).toEqual(["voided|0"]);
    expect(await redis.hGet("shop:{orders}", `order-${press.checkoutId}`)).toBeNull();
    expect(await orderOf(press.checkoutId)).toEqual({
      ...press.order,
      outcome: "refused",
      reason: "PaymentDeclined",
      total_cents: 0,
    });
  });

  it("that was undone does not run again when it is asked for again, and leaves its cart open", async () => {
    const press = cart([{ sku: "lamp", quantity: 1, unitPriceCents: 100 }], "tok_declined");
    await send(press.events);
    await failureOf(press.workflowId);
    const first = await temporal.workflow.getHandle(press.workflowId).describe();
    const [request] = press.events.slice(-1);
    await send([{ ...request, id: unique("press-") }]);
    await operator.drained("carts");
    const again = await temporal.workflow.getHandle(press.workflowId).describe();
    expect([again.runId, again.historyLength]).toEqual([first.runId, first.historyLength]);
    const history = await operator.sql(
      `SELECT type, reason FROM cart_events FINAL WHERE cart_id = '${press.order.cart_id}' AND checkout_id != '' ORDER BY at, type`,
    );
    expect(history).toContainEqual({ type: "cart.checkout_refused", reason: "this checkout was undone" });
    expect(history).toContainEqual({ type: "cart.unfrozen", reason: expect.any(String) });
    expect(await paymentsOf(press.workflowId)).toEqual(["voided|0"]);
  });

  it("of something sold out is refused before any money is asked for", async () => {
    const press = cart(
      [
        { sku: "lamp", quantity: 1, unitPriceCents: 10 },
        { sku: "sold-out", quantity: 1, unitPriceCents: 10 },
      ],
      "tok_good",
    );
    await send(press.events);

    expect(await failureOf(press.workflowId)).toMatchObject({
      type: "SagaUndone",
      details: [{ step: "stock", type: "OutOfStock" }],
    });
    expect(await stockOf("sold-out")).toBe("0");
    expect(await paymentsOf(press.workflowId)).toEqual([]);
    expect(await orderOf(press.checkoutId)).toMatchObject({ outcome: "refused", reason: "OutOfStock" });
  });

  it("whose bank loses its first reply completes, and charges once", async () => {
    const press = cart([{ sku: "lamp", quantity: 1, unitPriceCents: 700 }], "tok_lost_reply");
    await send(press.events);

    await resultOf(press.workflowId);
    expect(await paymentsOf(press.workflowId)).toEqual(["captured|700"]);
    expect(await orderOf(press.checkoutId)).toMatchObject({ outcome: "placed", total_cents: 700 });
  });

  it("of an empty cart is refused", async () => {
    const press = cart([], "tok_good");
    await send(press.events);

    expect(await failureOf(press.workflowId)).toMatchObject({
      type: "SagaUndone",
      details: [{ step: "stock", type: "CartEmpty" }],
    });
    expect(await orderOf(press.checkoutId)).toEqual({ ...press.order, outcome: "refused", reason: "CartEmpty", total_cents: 0 });
  });

  it("asked for five times at once runs once; asked for again when it is done, it does not run again", async () => {
    const before = await notes();
    const press = cart([{ sku: "lamp", quantity: 1, unitPriceCents: 300 }], "tok_slow");
    const [request] = press.events.slice(-1);
    // Five presses that are events of their own, as a client makes them that has no ids; the run takes three seconds.
    await send([...press.events.slice(0, -1), ...Array.from({ length: 5 }, () => ({ ...request, id: unique("press-") }))]);
    await operator.drained("carts");
    await resultOf(press.workflowId);
    const first = await temporal.workflow.getHandle(press.workflowId).describe();
    const after = await notes();
    expect(after.started - before.started).toBe(1);
    // How many came while it ran is a race that the slow bank decides: with three seconds, as good as all.
    expect(after.joined + after.alreadyDone - before.joined - before.alreadyDone).toBe(4);
    expect(after.joined).toBeGreaterThan(before.joined);

    await send([{ ...request, id: unique("press-") }]);
    await operator.drained("carts");
    const again = await temporal.workflow.getHandle(press.workflowId).describe();
    expect(again.runId).toBe(first.runId);
    expect(again.historyLength).toBe(first.historyLength);
    expect((await notes()).alreadyDone - after.alreadyDone).toBe(1);
    expect((await notes()).started).toBe(after.started);

    expect(await paymentsOf(press.workflowId)).toEqual(["captured|300"]);
    const rows = await operator.sql(`SELECT toUInt32(count()) AS rows FROM orders WHERE checkout_id = '${press.checkoutId}'`);
    expect(rows).toEqual([{ rows: 1 }]);
  });

  it("whose event is delivered five times is one change of the cart and one run", async () => {
    const before = await notes();
    const duplicates = async () => (await operator.audit("carts")).duplicate;
    const duplicatesBefore = await duplicates();
    const press = cart([{ sku: "lamp", quantity: 1, unitPriceCents: 400 }], "tok_good");
    for (let time = 0; time < 5; time++) await send(press.events);
    await resultOf(press.workflowId);
    await operator.drained("carts");

    expect((await notes()).started - before.started).toBe(1);
    expect((await duplicates()) - duplicatesBefore).toBe(4 * press.events.length);
    const history = await operator.sql(
      `SELECT type, toUInt32(count()) AS rows FROM cart_events FINAL WHERE cart_id = '${press.order.cart_id}' GROUP BY type ORDER BY type`,
    );
    expect(history).toEqual([
      { type: "cart.checked_out", rows: 1 },
      { type: "cart.checkout_requested", rows: 1 },
      { type: "cart.created", rows: 1 },
      { type: "cart.item_added", rows: 1 },
    ]);
  });

  it("leaves every pipeline balanced, with nothing in flight and no dead letter", async () => {
    for (const pipeline of ["carts", "orders"]) {
      expect(await operator.audit(pipeline)).toMatchObject({ deadLettered: {}, inFlight: 0, balanced: true });
    }
  });
});

interface Line {
  readonly sku: string;
  readonly quantity: number;
  readonly unitPriceCents: number;
}

/** The events of a cart that is filled, and of one press of "pay". */
function cart(lines: readonly Line[], paymentToken: string) {
  const [cartId, userId, checkoutId] = [unique("cart-"), unique("user-"), unique("checkout-")];
  const event = (type: string, data: object) => ({
    id: unique("event-"),
    type,
    time: new Date().toISOString(),
    data: { cartId, ...data },
  });
  return {
    checkoutId,
    workflowId: `checkout/${checkoutId}`,
    events: [
      event("cart.created", { userId }),
      ...lines.map((line) => event("cart.item_added", line)),
      event("cart.checkout_requested", { checkoutId, paymentToken }),
    ],
    order: { order_id: `order-${checkoutId}`, cart_id: cartId, user_id: userId },
  };
}

const send = (events: readonly object[]) =>
  operator.run(["send", "carts"], { input: events.map((event) => JSON.stringify(event)).join("\n") });

/** The workflow's result, once the pipeline has started it. */
const resultOf = async (workflowId: string): Promise<unknown> => {
  await operator.drained("carts");
  return temporal.workflow.result(workflowId);
};

async function failureOf(workflowId: string): Promise<ApplicationFailure> {
  const error = await resultOf(workflowId).then(
    (result) => Promise.reject(new Error(`${workflowId} completed: ${JSON.stringify(result)}`)),
    (failure: unknown) => failure,
  );
  expect(error).toBeInstanceOf(WorkflowFailedError);
  const { cause } = error as WorkflowFailedError;
  expect(cause).toBeInstanceOf(ApplicationFailure);
  return cause as ApplicationFailure;
}

const statusOf = async (workflowId: string) => (await temporal.workflow.getHandle(workflowId).describe()).status.name;

/** The row of a checkout whose saga has ended: its announcement is on its way through the pipeline `orders`. */
async function orderOf(checkoutId: string): Promise<Record<string, unknown> | undefined> {
  await operator.drained("orders");
  const rows = await operator.sql(
    `SELECT order_id, cart_id, user_id, outcome, reason, toUInt32(total_cents) AS total_cents FROM orders WHERE checkout_id = '${checkoutId}'`,
  );
  expect(rows.length).toBeLessThanOrEqual(1);
  return rows[0];
}

const stockOf = (sku: string) => redis.hGet("shop:{stock}:available", sku);
const holdOf = (workflowId: string) => redis.hGet("shop:{stock}:holds", `${workflowId}/stock`);

/** What the bank knows of a checkout, whatever the keys under which it was asked. */
async function paymentsOf(workflowId: string): Promise<readonly string[]> {
  const payments = Object.entries(await redis.hGetAll("shop:{payments}"));
  return payments.filter(([key]) => key.startsWith(`${workflowId}/`)).map(([, payment]) => payment);
}

/** What the ledgers of the carts say of workflows. */
async function notes() {
  const ledgers = await Promise.all(Array.from({ length: 8 }, (_, index) => redis.hGetAll(`hr:{carts:0${index}}:ledger:carts`)));
  const total = (note: string) => ledgers.reduce((sum, ledger) => sum + Number(ledger[`sink:checkout:${note}`] ?? 0), 0);
  return { started: total("started"), joined: total("joined"), alreadyDone: total("alreadyDone") };
}
