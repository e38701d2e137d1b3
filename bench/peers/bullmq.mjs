// The job for BullMQ: jobs are gathered, inserted together, and each completes when its row is in.
import { createRequire } from "node:module";
import { createClient } from "@clickhouse/client";
import { toRow } from "./row.mjs";

const { Worker } = createRequire(process.env.BULLMQ)("bullmq");
const { hostname: host, port, password } = new URL(process.env.REDIS_URL);
const clickhouse = createClient({ url: process.env.CLICKHOUSE_URL });
/** As many jobs as are in hand at once: a batch that waits for more would wait for ever. */
const concurrency = 1_000;
const gatherMs = 20;

let gathered = [];
let timer;
const worker = new Worker(
  process.env.QUEUE,
  (job) =>
    new Promise((resolve, reject) => {
      gathered.push({ row: toRow(job.data), resolve, reject });
      if (gathered.length >= concurrency) void insert();
      else timer ??= setTimeout(() => void insert(), gatherMs);
    }),
  { connection: { host, port: Number(port), password }, concurrency },
);
worker.on("error", (error) => process.stderr.write(`${error.message}\n`));
await worker.waitUntilReady();
process.on("SIGTERM", () => process.exit(0));
process.stdout.write(`${JSON.stringify({ ready: true })}\n`);

async function insert() {
  clearTimeout(timer);
  timer = undefined;
  const batch = gathered;
  gathered = [];
  try {
    await clickhouse.insert({ table: "login_events", format: "JSONEachRow", values: batch.map(({ row }) => row) });
    for (const { resolve } of batch) resolve();
  } catch (error) {
    for (const { reject } of batch) reject(error);
  }
}
