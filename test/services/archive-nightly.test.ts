import { ApplicationFailure } from "@temporalio/common";
import { days, defineSchedule } from "headrace";
import { archiveDay, archiveNightly } from "headrace/archive/workflows";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Activities } from "../../activities/index.ts";
import { loginEvents } from "../../pipelines/tables.ts";
import { applySchedules, planSchedules } from "../../src/sinks/temporal/schedules.ts";
import { table as logins, openShelf, type Shelf } from "../support/archive-shelf.ts";
import { bundleApplication, openSagaBench, type SagaBench } from "../support/saga-bench.ts";
import { unique } from "../support/services.ts";

const table = unique("nightly_");
const scheduleId = `archive-${table}`;
const taskQueue = unique("archive-");
const keepDays = 2;
let shelf: Shelf;
let bench: SagaBench;
beforeAll(async () => {
  const code = await bundleApplication();
  [shelf, bench] = await Promise.all([openShelf({ archives: [{ ...loginEvents.plan, name: table }] }), openSagaBench(code)]);
  await shelf.client.run(`CREATE TABLE ${table} AS ${logins}`);
  const { plan } = defineSchedule(scheduleId, archiveNightly, {
    taskQueue,
    input: { table, keepDays },
    dailyAt: "02:15",
    overlap: "wait",
    catchUpMs: days(7),
    pauseOnFailure: true,
  });
  await applySchedules(bench.client, await planSchedules(bench.client, [plan]));
}, 120_000);
afterAll(async () => {
  await schedule().delete();
  await bench.close();
  await shelf.close();
}, 60_000);

const schedule = () => bench.client.schedule.getHandle(scheduleId);

const fill = async (): Promise<string> => {
  const day = shelf.freshDay();
  await shelf.fill(day, 100);
  await shelf.client.run(`INSERT INTO ${table} SELECT * FROM ${logins} WHERE toDate(at) = '${day}'`);
  return day;
};
/** As an operator does it in the Temporal UI: the runs that would have been due at 02:15 of the days on which these were old enough. */
const backfill = (day: string, count = 1) => {
  const start = new Date(Date.parse(day) + days(1 + keepDays));
  const end = new Date(start.getTime() + days(count) - 1);
  return schedule().backfill({ start, end, overlap: "BUFFER_ALL" });
};
const working = async (activities: Activities, body: () => Promise<void>) =>
  (await bench.startWorker(taskQueue, activities)).runUntil(body);
/** What the schedule's run that was due for this day has answered. */
const resultOf = async (day: string, count = 1): Promise<readonly unknown[]> => {
  const results: unknown[] = [];
  await expect
    .poll(
      async () => {
        results.length = 0;
        const query = `WorkflowType = "archiveNightly" AND TemporalScheduledById = "${scheduleId}" AND ExecutionStatus != "Running"`;
        for await (const { workflowId, runId } of bench.client.workflow.list({ query })) {
          const result = await bench.client.workflow
            .getHandle(workflowId, runId)
            .result()
            .catch(() => undefined);
          if ((result as { day?: string } | undefined)?.day === day) results.push(result);
        }
        return results.length;
      },
      { timeout: 40_000, interval: 300 },
    )
    .toBe(count);
  return results;
};

it("each night archives the day that has been kept for long enough, a backfill those that it names, and one that is archived is left alone", async () => {
  const first = await fill();
  const second = await fill();
  await working(shelf.activities(), async () => {
    await backfill(first, 2);
    expect(await resultOf(first)).toMatchObject([{ outcome: "archived", generation: 1, rows: 100 }]);
    expect(await resultOf(second)).toMatchObject([{ outcome: "archived", generation: 1, rows: 100 }]);
    await backfill(first);
    expect(await resultOf(first, 2)).toContainEqual({ day: first, outcome: "already archived", generation: 1 });
  });
  expect((await shelf.inTable(first, table)).rows).toBe(0);
}, 120_000);

it("schedule and a person at once: one runs, the other tells that", async () => {
  const day = await fill();
  const real = shelf.activities();
  let goOn = () => {};
  const held = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  let exports = 0;
  const exportDay: Activities["exportDay"] = async (...args) => {
    exports++;
    await held;
    return real.exportDay(...args);
  };
  await working({ ...real, exportDay }, async () => {
    const workflowId = `archive/${table}/${day}`;
    const byHand = await bench.client.workflow.start(archiveDay, { taskQueue, workflowId, args: [{ table, day }] });
    await expect.poll(() => exports, { timeout: 30_000 }).toBe(1);
    await backfill(day);
    expect(await resultOf(day)).toEqual([{ day, outcome: "runs already" }]);
    goOn();
    expect(await byHand.result()).toMatchObject({ outcome: "archived", rows: 100 });
  });
  expect(exports).toBe(1);
}, 120_000);

it("a night that fails pauses the schedule, and its day is in the table", async () => {
  const day = await fill();
  const verifyFiles: Activities["verifyFiles"] = async () => {
    throw ApplicationFailure.nonRetryable("the store is broken", "Broken");
  };
  await working({ ...shelf.activities(), verifyFiles }, async () => {
    await backfill(day);
    await expect.poll(async () => (await schedule().describe()).state.paused, { timeout: 40_000, interval: 300 }).toBe(true);
  });
  expect((await shelf.inTable(day, table)).rows).toBe(100);
}, 120_000);
