import { Client, Connection } from "@temporalio/client";
import { openProducer } from "headrace";
import { cartCreated, checkoutRequested, itemAdded } from "../../../pipelines/events.ts";
import { carts } from "../../../pipelines/streams.ts";
import { keys, partitionsOf } from "../../../src/bus/partition.ts";
import type { Rig } from "../rig.ts";

/** One press of "pay", and how it must end. */
export interface Press {
  readonly checkoutId: string;
  readonly cartId: string;
  readonly sku: string;
  readonly quantity: number;
  readonly cents: number;
  readonly token: string;
  readonly reason: "" | "PaymentDeclined" | "OutOfStock";
}

/** A tenth is declined, a tenth finds its item sold out, and a tenth has a bank that loses its first reply. */
export const makePresses = (count: number): readonly Press[] =>
  Array.from({ length: count }, (_, i) => {
    const [isDeclined, isSoldOut, isForgetful] = [i % 10 === 0, i % 10 === 1, i % 10 === 2];
    return {
      checkoutId: `pay-${i}`,
      cartId: `cart-${i}`,
      sku: isSoldOut ? "sold-out" : `sku-${i % 40}`,
      quantity: 1 + (i % 3),
      cents: 100 + i,
      token: isDeclined ? "tok_declined" : isForgetful ? "tok_lost_reply" : "tok",
      reason: isDeclined ? "PaymentDeclined" : isSoldOut ? "OutOfStock" : "",
    };
  });

/** Sends the events of carts, each in its order; resolves when Redis has all of them on its disk. */
export async function openShopper(redisUrl: string) {
  const producer = await openProducer(carts, { redisUrl, durability: "fsync" });
  return {
    press: async ({ checkoutId, cartId, sku, quantity, cents, token }: Press) => {
      const events = [
        cartCreated({ cartId, userId: `user-of-${cartId}` }),
        itemAdded({ cartId, sku, quantity, unitPriceCents: cents }),
        checkoutRequested({ cartId, checkoutId, paymentToken: token }),
      ];
      const stored = [];
      for (const [i, event] of events.entries()) {
        stored.push((await producer.send({ ...event, time: new Date() } as never, { id: `${checkoutId}/${i}` })).stored);
      }
      await Promise.all(stored);
    },
    close: () => producer.close(),
  };
}

/** What there is of workflows, asked of Temporal. */
export async function openTemporalClient(address: string) {
  const connection = await Connection.connect({ address });
  const client = new Client({ connection });
  return {
    statuses: async (): Promise<ReadonlyMap<string, readonly string[]>> => {
      const found = new Map<string, string[]>();
      for await (const { workflowId, status } of client.workflow.list({ query: 'WorkflowType = "checkout"' })) {
        found.set(workflowId, [...(found.get(workflowId) ?? []), status.name]);
      }
      return found;
    },
    needingAttention: async () => (await client.workflow.count("NeedsAttention = true")).count,
    close: () => connection.close(),
  };
}

/** What the books of all sides fail to show, in sentences, and how many checkouts have ended as they must. */
export async function compareShop(rig: Rig, presses: readonly Press[], statuses: ReadonlyMap<string, readonly string[]>) {
  const { redis } = rig;
  const [payments, available, rows, held] = await Promise.all([
    redis.hGetAll("shop:{payments}"),
    redis.hGetAll("shop:{stock}:available"),
    rig.query<{ checkout_id: string; outcome: string; reason: string; cents: number }>(
      "SELECT checkout_id, outcome, reason, toUInt32(total_cents) AS cents FROM orders",
    ),
    cartStates(rig),
  ]);
  const rowOf = new Map(rows.map((row) => [row.checkout_id, row]));
  const wrong: string[] = [];
  const expectEach = (press: Press, what: string, actual: unknown, expected: unknown) => {
    if (JSON.stringify(actual) === JSON.stringify(expected)) return true;
    wrong.push(
      `${press.checkoutId} (${press.reason || "placed"}): ${what} is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`,
    );
    return false;
  };
  const sold = new Map<string, number>();
  let ended = 0;
  for (const press of presses) {
    const isSold = press.reason === "";
    const cents = press.quantity * press.cents;
    if (isSold) sold.set(press.sku, (sold.get(press.sku) ?? 0) + press.quantity);
    const payment = payments[`checkout/${press.checkoutId}/payment`];
    const row = rowOf.get(press.checkoutId);
    const checks = [
      expectEach(press, "its workflow", statuses.get(`checkout/${press.checkoutId}`), [isSold ? "COMPLETED" : "FAILED"]),
      expectEach(
        press,
        "its payment",
        payment?.startsWith("voided") ? "voided" : payment,
        isSold ? `captured|${cents}` : press.reason === "OutOfStock" ? undefined : "voided",
      ),
      expectEach(
        press,
        "its row",
        row && [row.outcome, row.reason, row.cents],
        isSold ? ["placed", "", cents] : ["refused", press.reason, 0],
      ),
      expectEach(press, "its cart", held.get(press.cartId), isSold ? "checked out" : "open"),
    ];
    if (checks.every(Boolean)) ended++;
  }
  for (const [sku, quantity] of sold) {
    if (Number(available[sku]) !== 1_000_000 - quantity)
      wrong.push(`of ${sku} ${available[sku]} are left, and ${quantity} were sold`);
  }
  const strangers = Object.keys(payments).filter((key) => payments[key]?.startsWith("authorised")).length;
  if (strangers > 0) wrong.push(`${strangers} payments are still held`);
  return { wrong, ended };
}

async function cartStates({ redis }: Rig): Promise<ReadonlyMap<string, string>> {
  const stored = await Promise.all(partitionsOf(carts.plan).map((partition) => redis.hGetAll(keys.states(partition, "carts"))));
  return new Map(
    stored.flatMap(Object.entries<string>).flatMap(([name, json]) => {
      const [stage, cartId] = name.split("\n");
      return stage === "cart" && cartId !== undefined
        ? [[cartId, (JSON.parse(json) as { s: { status: string } }).s.status] as const]
        : [];
    }),
  );
}
