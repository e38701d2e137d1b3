/**
 * `npm run demo`: a seeded day of logins and carts, with its share of duplicates, late, malformed and attacking traffic,
 * through the real services; then every number of the tables is compared with what was sent.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { generateDay, startOfYesterday } from "./day.ts";
import { playDay } from "./play.ts";
import { recount, recountBooks } from "./recount.ts";
import { printReport, type Report } from "./report.ts";
import { startDemo } from "./stage.ts";

const { values } = parseArgs({
  options: {
    events: { type: "string", default: "200000" },
    seed: { type: "string", default: "1" },
    keep: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

const events = Number(values.events);
if (!Number.isInteger(events) || events < 500) {
  process.stderr.write(`error: --events '${values.events}' is not a whole number of 500 or more\n`);
  process.exit(2);
}

const say = (text: string) => process.stderr.write(`${text}\n`);
const dir = values.keep ? resolve(".headrace/demo") : await mkdtemp(join(tmpdir(), "headrace-demo-"));
if (values.keep) await rm(dir, { recursive: true, force: true });
const demo = await startDemo(dir, say);
let verified = false;
try {
  const day = generateDay({ events, seed: values.seed, dayStart: startOfYesterday(new Date()) });
  say(`Playing a day of ${events} events (seed ${values.seed}).`);
  const began = performance.now();
  await playDay(day.emissions, { redisUrl: demo.stack.redis, total: events, say });
  const truth = day.truth();
  await demo.drained();
  const processed = (performance.now() - began) / 1_000;
  say(`All of it is in the tables after ${processed.toFixed(1)} s. Waiting for ${truth.orders.size} checkouts to end.`);
  await demo.checkoutsEnded(truth.orders.size);
  await demo.sweep();
  // What checkouts, failures and the sweep led to in further streams.
  await demo.drained();
  await demo.counted();

  say("Counting again, from what was sent.");
  const mismatches = [...(await recount(demo.query, truth)), ...recountBooks(await demo.books(), truth)];
  const report: Report = await demo.report({
    truth,
    mismatches,
    seconds: (performance.now() - began) / 1_000,
    eventsPerSecond: events / processed,
  });
  verified = report.verified && report.audit === "balanced";
  for (const { name, expected, actual } of mismatches.slice(0, 20))
    say(`WRONG  ${name}: ${expected} was sent, the tables say ${actual}`);
  printReport(report, values.json);
  if (values.keep) {
    await demo.resume();
    say(demo.urls());
    say("Ctrl-C stops all of it.");
    await new Promise<void>((done) => process.once("SIGINT", () => done()));
  }
} finally {
  await demo.close();
  if (!values.keep) await rm(dir, { recursive: true, force: true });
}
process.exit(verified ? 0 : 1);
