/**
 * Records what the sagas do today: `node scripts/run.mjs test/services/sagas/record-histories.ts`. A history that is there stays: it is
 * what older code has promised to workflows that still run.
 */
import { fileURLToPath } from "node:url";
import { ApplicationFailure } from "@temporalio/common";
import type { Activities } from "../../../activities/index.ts";
import { checkout } from "../../../workflows/checkout.ts";
import { recordHistory } from "../../support/golden-histories.ts";
import { bundleSagas, openSkippingBench } from "../../support/saga-bench.ts";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const input = {
  checkoutId: "pay-1",
  cartId: "cart-1",
  userId: "user-1",
  paymentToken: "tok",
  lines: [{ sku: "lamp", quantity: 2, unitPriceCents: 350 }],
};

type Given = { readonly [Name in keyof Activities]?: (attempt: number) => unknown };

/** Participants that only answer: a history holds what they said. */
function answering(given: Given): Activities {
  const attempts = new Map<string, number>();
  const answers: Given = {
    quote: () => ({ totalCents: 700 }),
    placeOrder: () => ({ orderId: "order-pay-1", checkoutId: "pay-1", totalCents: 700 }),
    ...given,
  };
  const names: readonly (keyof Activities)[] = [
    ...(["freezeCart", "unfreezeCart", "closeCart", "quote", "reserveStock", "releaseStock", "sellStock"] as const),
    ...(["authorisePayment", "voidPayment", "capturePayment", "placeOrder", "cancelOrder", "announceOrder"] as const),
    "announceRefusal",
  ];
  return Object.fromEntries(
    names.map((name) => [
      name,
      async () => {
        const attempt = (attempts.get(name) ?? 0) + 1;
        attempts.set(name, attempt);
        return answers[name]?.(attempt) ?? null;
      },
    ]),
  ) as unknown as Activities;
}

const no = (type: string) => () => {
  throw ApplicationFailure.nonRetryable("no", type);
};
const brokenUntil = (attempt: number) => (now: number) => {
  if (now < attempt) throw new Error("it is broken");
};

const tales: Readonly<Record<string, Given>> = {
  "completed": {},
  "declined": { authorisePayment: no("PaymentDeclined") },
  "order-refused": { placeOrder: no("Closed") },
  "stock-broken": { reserveStock: brokenUntil(1_000) },
  "capture-late": { capturePayment: brokenUntil(30) },
  "undo-late": { authorisePayment: no("PaymentDeclined"), releaseStock: brokenUntil(30) },
};

const bench = await openSkippingBench(await bundleSagas(at("../../../workflows/index.ts")));
try {
  for (const [name, given] of Object.entries(tales)) {
    await bench.run(checkout, { input, workflowId: `checkout/${name}` }, answering(given), async (handle) => {
      await handle.result().catch(() => {});
      await recordHistory(at("histories"), `checkout-${name}`, handle);
    });
    process.stderr.write(`checkout-${name}\n`);
  }
} finally {
  await bench.close();
}
process.exit(0);
