import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, Connection } from "@temporalio/client";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { type BreakableService, startTemporal } from "../chaos/services.ts";
import { type Operator, openOperator } from "../support/operator.ts";
import { unique } from "../support/services.ts";

let operator: Operator;
let directory: string;
let temporal: BreakableService;
let env: Readonly<Record<string, string>>;

beforeAll(async () => {
  operator = await openOperator();
  directory = await mkdtemp(join(tmpdir(), "headrace-temporal-"));
  temporal = await startTemporal(directory);
  env = { TEMPORAL_ADDRESS: `127.0.0.1:${temporal.port}` };
  await operator.run(["migrate", "--apply"], { env });
}, 120_000);
afterAll(async () => {
  await operator.stopAll();
  await temporal.close();
  await rm(directory, { recursive: true, force: true });
}, 60_000);

/** A cart with a lamp in it, and a press of "pay". */
function press() {
  const [cartId, checkoutId, time] = [unique("cart-"), unique("checkout-"), new Date().toISOString()];
  const event = (type: string, data: object) => ({ id: unique("event-"), type, time, data: { cartId, ...data } });
  const events = [
    event("cart.created", { userId: unique("user-") }),
    event("cart.item_added", { sku: "lamp", quantity: 1, unitPriceCents: 700 }),
    event("cart.checkout_requested", { checkoutId, paymentToken: "tok_good" }),
  ];
  return { workflowId: `checkout/${checkoutId}`, events };
}

it("while Temporal is away no press of pay is confirmed, and all of them start once when it is back", async () => {
  await operator.start(["start", "--role", "worker", "--pipelines", "carts", "--json"], { env });
  await temporal.kill();
  const presses = Array.from({ length: 20 }, press);
  await operator.run(["send", "carts"], {
    input: presses.flatMap(({ events }) => events.map((event) => JSON.stringify(event))).join("\n"),
  });
  // All of them are read, and none is acked.
  const held = { read: 60, inFlight: 60, delivered: 0 };
  await vi.waitFor(async () => expect(await operator.audit("carts")).toMatchObject(held), { timeout: 20_000, interval: 500 });
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  expect(await operator.audit("carts")).toMatchObject(held);

  await temporal.restart();
  await operator.drained("carts");
  const connection = await Connection.connect({ address: env["TEMPORAL_ADDRESS"] as string });
  const client = new Client({ connection });
  const runs = await Promise.all(presses.map(({ workflowId }) => client.workflow.getHandle(workflowId).describe()));
  expect(runs.map(({ status }) => status.name)).toEqual(presses.map(() => "RUNNING"));
  expect(new Set(runs.map(({ runId }) => runId)).size).toBe(20);
  await connection.close();
  expect(await operator.audit("carts")).toMatchObject({ balanced: true, inFlight: 0, deadLettered: {} });
}, 120_000);
