import { ApplicationFailure } from "@temporalio/common";
import { c, clickhouse, days, defineApp, defineEvent, defineSchedule, defineStream, defineTable, pipeline } from "headrace";
import { archiveActivities } from "headrace/archive";
import * as workflows from "headrace/archive/workflows";
import type { ActivityDeps } from "headrace/host";
import { type AppTestOptions, testApp } from "headrace/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const now = new Date("2026-05-01T12:00:00Z");
const taskQueue = "archive";
const visited = defineEvent("page.visited", z.object({ page: z.string() }), { key: ({ page }) => page });
const visits = defineStream("visits", { events: [visited], partitions: 1 });
const table = defineTable("visits", {
  columns: { event_id: c.uuid(), at: c.dateTime64(3), page: c.string() },
  orderBy: ["page", "at", "event_id"],
  partitionBy: { unit: "day", column: "at" },
});
const visiting = pipeline("visiting")
  .from(visits)
  .map("readable", (event) => {
    if (event.data.page === "unreadable") throw new Error("cannot be read");
    return event;
  })
  .to(clickhouse(table), ({ id, time, data }) => ({ event_id: id, at: time, page: data.page }));
const app = defineApp({
  pipelines: [visiting],
  archives: [table],
  schedules: [
    defineSchedule("nightly", workflows.archiveNightly, {
      ...{ taskQueue, input: { table: "visits", keepDays: 1 }, dailyAt: "02:15", overlap: "wait", pauseOnFailure: true },
    }),
    defineSchedule("cleaning", workflows.cleanLogs, { taskQueue, dailyAt: "03:45" }),
  ],
});
const open = (options: AppTestOptions = {}) => testApp(app, { now, workflows, activities: archiveActivities, ...options });
const visit = (page: string, daysAgo = 0) => ({ ...visited({ page }), time: new Date(now.getTime() - days(daysAgo)) });
const pagesOf = (rows: readonly Readonly<Record<string, unknown>>[] = []) => rows.map(({ page }) => page);

describe("the archive of testApp", () => {
  it("takes the day that is due out of its table each night, and what comes late becomes the next generation", async () => {
    const test = open();
    await test.send([visit("home"), visit("news")], visits);
    expect((await test.advance(days(1))).tables["visits"]).toHaveLength(2);
    await test.send([visit("today", -1)], visits);
    const { tables, archived, workflows: seen } = await test.advance(days(1));
    expect(seen["nightly-2026-05-03T02:15:00Z"]?.result).toMatchObject({ day: "2026-05-01", outcome: "archived", rows: 2 });
    expect(pagesOf(tables["visits"])).toEqual(["today"]);
    expect(archived.map(({ rows, ...of }) => [of, pagesOf(rows)])).toEqual([
      [{ table: "visits", day: "2026-05-01", generation: 1 }, ["home", "news"]],
    ]);
    await test.send([visit("late")], visits);
    await test.start(workflows.archiveDay, { workflowId: "by-hand", input: { table: "visits", day: "2026-05-01" } });
    const again = await test.run();
    expect(again.workflows["by-hand"]?.result).toMatchObject({ outcome: "archived", generation: 2, rows: 1 });
    expect(again.archived.map(({ generation, rows }) => [generation, pagesOf(rows)])).toEqual([
      [1, ["home", "news"]],
      [2, ["late"]],
    ]);
    expect(pagesOf(again.tables["visits"])).toEqual(["today"]);
  });

  it("puts all of a day back where a step refuses, tries it again and pauses its schedule", async () => {
    const refusal = ApplicationFailure.nonRetryable("the files hold something else", "archive.mismatch");
    const test = open({
      activities: (deps: ActivityDeps) => ({ ...archiveActivities(deps), verifyFiles: () => Promise.reject(refusal) }),
    });
    await test.send([visit("home")], visits);
    const { tables, archived, schedules } = await test.advance(days(2));
    expect(pagesOf(tables["visits"])).toEqual(["home"]);
    expect(archived).toEqual([]);
    expect(schedules["nightly"]?.status).toBe("paused");
  });

  it("refuses a table that it does not keep, and a day that is not over", async () => {
    const test = open();
    await test.start(workflows.archiveDay, { workflowId: "other", input: { table: "others", day: "2026-04-30" } });
    await test.start(workflows.archiveDay, { workflowId: "today", input: { table: "visits", day: "2026-05-01" } });
    const { workflows: seen } = await test.run();
    expect(String(seen["other"]?.error)).toContain("there is no archive of a table 'others'");
    expect(String(seen["today"]?.error)).toContain("the day 2026-05-01 is not over");
  });
});

describe("cleanLogs of testApp", () => {
  it("removes dead letters once they are older than they are kept", async () => {
    const test = open({ keep: { deadLetterDays: 3 } });
    await test.send([visit("unreadable")], visits);
    expect((await test.advance(days(3))).deadLetters).toHaveLength(1);
    const { deadLetters, workflows: seen } = await test.advance(days(1));
    expect(deadLetters).toEqual([]);
    expect(seen["cleaning-2026-05-05T03:45:00Z"]?.result).toEqual({
      deadLetters: { looked: 1, removed: 1 },
      archives: { looked: 0, removed: 0 },
    });
  });

  it("removes archives where a time is set for them", async () => {
    const test = open({ keep: { archiveDays: 5 } });
    await test.send([visit("home")], visits);
    expect((await test.advance(days(4))).archived).toHaveLength(1);
    expect((await test.advance(days(2))).archived).toEqual([]);
  });
});
