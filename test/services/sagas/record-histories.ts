/**
 * Records what the sagas do today: `node scripts/run.mjs test/services/sagas/record-histories.ts`. A history that is there stays: it is
 * what older code has promised to workflows that still run.
 */
import { fileURLToPath } from "node:url";
import { ApplicationFailure } from "@temporalio/common";
import { archiveDay } from "headrace/archive/workflows";
import type { Activities } from "../../../activities/index.ts";
import { checkout } from "../../../workflows/checkout.ts";
import { recordHistory } from "../../support/golden-histories.ts";
import { bundleSagas, openSkippingBench, type SagaBench } from "../../support/saga-bench.ts";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** What activities answer, or throw, by the number of the attempt. The others answer nothing. */
type Given = { readonly [Name in keyof Activities]?: (attempt: number) => unknown };

interface Recorded<Input> {
  readonly saga: (input: Input) => Promise<unknown>;
  readonly input: Input;
  /** Every activity that it calls. */
  readonly calls: readonly (keyof Activities)[];
  readonly answers: Given;
  /** What is different in each history. */
  readonly tales: Readonly<Record<string, Given>>;
}

const no = (type: string) => () => {
  throw ApplicationFailure.nonRetryable("no", type);
};
const brokenUntil = (attempt: number) => (now: number) => {
  if (now < attempt) throw new Error("it is broken");
};

const checkouts: Recorded<Parameters<typeof checkout>[0]> = {
  saga: checkout,
  input: {
    checkoutId: "pay-1",
    cartId: "cart-1",
    userId: "user-1",
    paymentToken: "tok",
    lines: [{ sku: "lamp", quantity: 2, unitPriceCents: 350 }],
  },
  calls: [
    ...(["freezeCart", "unfreezeCart", "closeCart", "quote", "reserveStock", "releaseStock", "sellStock"] as const),
    ...(["authorisePayment", "voidPayment", "capturePayment", "placeOrder", "cancelOrder", "announceOrder"] as const),
    "announceRefusal",
  ],
  answers: {
    quote: () => ({ totalCents: 700 }),
    placeOrder: () => ({ orderId: "order-pay-1", checkoutId: "pay-1", totalCents: 700 }),
  },
  tales: {
    "completed": {},
    "declined": { authorisePayment: no("PaymentDeclined") },
    "order-refused": { placeOrder: no("Closed") },
    "stock-broken": { reserveStock: brokenUntil(1_000) },
    "capture-late": { capturePayment: brokenUntil(30) },
    "undo-late": { authorisePayment: no("PaymentDeclined"), releaseStock: brokenUntil(30) },
  },
};

const archives: Recorded<Parameters<typeof archiveDay>[0]> = {
  saga: archiveDay,
  input: { table: "login_events", day: "2026-11-27" },
  calls: [
    ...(["sealDay", "unsealDay", "surveyDay", "exportDay", "removeFiles", "verifyFiles", "publishManifest"] as const),
    ...(["withdrawManifest", "recountDay", "dropDay", "putDayBack", "recordArchive"] as const),
  ],
  answers: {
    sealDay: () => ({ kind: "sealed", generation: 1 }),
    surveyDay: () => ({
      rows: 2,
      hash: "00ff",
      rawBytes: 400,
      from: "2026-11-27T10:00:00.000Z",
      to: "2026-11-27T11:00:00.000Z",
      columns: [{ name: "at", type: "DateTime64(3)" }],
      hours: [2],
    }),
    exportDay: () => [{ path: "login_events/2026-11-27/1/a.parquet", rows: 2, bytes: 100 }],
  },
  tales: {
    "completed": {},
    "already-archived": { sealDay: () => ({ kind: "already archived", generation: 1 }) },
    "mismatch": { verifyFiles: no("archive.mismatch") },
    "export-broken": { exportDay: brokenUntil(1_000) },
    "drop-refused": { dropDay: no("archive.changed") },
    "put-back-late": { dropDay: no("archive.changed"), putDayBack: brokenUntil(30) },
    "record-late": { recordArchive: brokenUntil(30) },
  },
};

/** Activities that only answer: a history holds what they said. */
function answering(calls: readonly (keyof Activities)[], answers: Given): Activities {
  const attempts = new Map<string, number>();
  const activity = (name: keyof Activities) => async () => {
    const attempt = (attempts.get(name) ?? 0) + 1;
    attempts.set(name, attempt);
    return answers[name]?.(attempt) ?? null;
  };
  return Object.fromEntries(calls.map((name) => [name, activity(name)])) as unknown as Activities;
}

async function record<Input>(
  bench: SagaBench,
  of: string,
  { saga, input, calls, answers, tales }: Recorded<Input>,
): Promise<void> {
  for (const [tale, given] of Object.entries(tales)) {
    const activities = answering(calls, { ...answers, ...given });
    await bench.run(saga, { input, workflowId: `${of}/${tale}` }, activities, async (handle) => {
      await handle.result().catch(() => {});
      await recordHistory(at(`histories/${of}`), tale, handle);
    });
    process.stderr.write(`${of}/${tale}\n`);
  }
}

const bench = await openSkippingBench(await bundleSagas(at("../../../workflows/index.ts")));
try {
  await record(bench, "checkout", checkouts);
  await record(bench, "archive", archives);
} finally {
  await bench.close();
}
process.exit(0);
