import { randomBytes } from "node:crypto";
import { Client, Connection } from "@temporalio/client";
import { vi } from "vitest";
import { type Operator, openOperator } from "./operator.ts";
import { unique } from "./services.ts";

/** An operator with a Temporal namespace that no other test file uses, ready for sagas. */
export interface ShopNamespace {
  readonly operator: Operator;
  readonly namespace: string;
  /** Laid over the operator's environment in each call. */
  readonly env: Readonly<Record<string, string>>;
  /** Knows no keys: it sees what Temporal stores. */
  readonly temporal: Client;
  /** Sends the events of a cart that is filled and of one press of "pay". */
  press(token: string, env?: Readonly<Record<string, string>>): Promise<Press>;
  close(): Promise<void>;
}

export interface Press {
  readonly workflowId: string;
  readonly checkoutId: string;
  readonly userId: string;
  /** Of its events. */
  readonly traceparent: string;
}

export async function openShopNamespace(): Promise<ShopNamespace> {
  const operator = await openOperator();
  const namespace = unique("shop-");
  const connection = await Connection.connect({ address: operator.env["TEMPORAL_ADDRESS"] as string });
  await connection.workflowService.registerNamespace({
    namespace,
    workflowExecutionRetentionPeriod: { seconds: 86_400 as never },
  });
  await vi.waitFor(() => connection.operatorService.listSearchAttributes({ namespace }), { timeout: 30_000, interval: 200 });
  const own = { TEMPORAL_NAMESPACE: namespace };
  await operator.run(["migrate", "--apply"], { env: own });
  return {
    operator,
    namespace,
    env: own,
    temporal: new Client({ connection, namespace }),
    async press(paymentToken, env) {
      const [cartId, userId, checkoutId] = [unique("cart-"), unique("user-"), unique("checkout-")];
      const time = new Date().toISOString();
      const traceparent = `00-${randomBytes(16).toString("hex")}-${randomBytes(8).toString("hex")}-01`;
      const event = (type: string, data: object) => ({
        ...{ id: unique("event-"), type, time, traceparent },
        data: { cartId, ...data },
      });
      const events = [
        event("cart.created", { userId }),
        event("cart.item_added", { sku: "lamp", quantity: 1, unitPriceCents: 700 }),
        event("cart.checkout_requested", { checkoutId, paymentToken }),
      ];
      await operator.run(["send", "carts"], {
        input: events.map((one) => JSON.stringify(one)).join("\n"),
        env: { ...own, ...env },
      });
      return { workflowId: `checkout/${checkoutId}`, checkoutId, userId, traceparent };
    },
    async close() {
      await operator.stopAll();
      await connection.close();
    },
  };
}
