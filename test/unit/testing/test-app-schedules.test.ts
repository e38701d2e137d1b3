import { ApplicationFailure, sleep, workflowInfo } from "@temporalio/workflow";
import { days, defineApp, defineSchedule, hours, minutes } from "headrace";
import { testApp } from "headrace/testing";
import { describe, expect, it } from "vitest";

const now = new Date("2026-05-01T12:05:00Z");

interface Job {
  readonly takesMs: number;
  readonly failsAt?: string;
}
/** Runs that have begun and ended, by when they were due. */
let book: string[] = [];
const note = (what: string) => {
  if (!workflowInfo().unsafe.isReplaying) book.push(what);
};
async function work({ takesMs, failsAt }: Job): Promise<string> {
  const [due] = workflowInfo().searchAttributes["TemporalScheduledStartTime"] as readonly Date[];
  const at = due?.toISOString().slice(5, 16) ?? "";
  note(`begins ${at}`);
  await sleep(takesMs);
  note(`ends ${at}`);
  if (at === failsAt) throw ApplicationFailure.nonRetryable("it went wrong", "Wrong");
  return at;
}
const taskQueue = "work";
const open = (input: Job, options: { readonly overlap?: "skip" | "wait"; readonly pauseOnFailure?: boolean } = {}) => {
  book = [];
  const schedule = defineSchedule("job", work, { taskQueue, everyMs: minutes(10), input, ...options });
  return testApp(defineApp({ pipelines: [], schedules: [schedule] }), { now, workflows: { work } });
};

describe("schedules of testApp", () => {
  it("start their workflow when it is due, with their input, under the id that a server gives", async () => {
    const test = open({ takesMs: 1_000 });
    expect((await test.run()).schedules["job"]).toEqual({
      ...{ status: "active", nextAt: new Date("2026-05-01T12:10:00Z"), started: [], waiting: 0, skipped: 0 },
    });
    const { schedules, workflows } = await test.advance(minutes(20));
    expect(schedules["job"]?.started).toEqual(["job-2026-05-01T12:10:00Z", "job-2026-05-01T12:20:00Z"]);
    expect(workflows["job-2026-05-01T12:20:00Z"]).toEqual({ workflow: "work", status: "completed", result: "05-01T12:20" });
    expect(schedules["job"]?.nextAt).toEqual(new Date("2026-05-01T12:30:00Z"));
  });

  it("are due at a time of the day, by UTC", async () => {
    const daily = defineSchedule("night", work, { taskQueue, dailyAt: "02:15", input: { takesMs: 0 } });
    const test = testApp(defineApp({ pipelines: [], schedules: [daily] }), { now, workflows: { work } });
    expect((await test.advance(hours(14))).schedules["night"]?.started).toEqual([]);
    const { schedules } = await test.advance(days(2));
    expect(schedules["night"]?.started).toEqual(["night-2026-05-02T02:15:00Z", "night-2026-05-03T02:15:00Z"]);
  });

  it("leave a run out while the one before still runs", async () => {
    const test = open({ takesMs: minutes(25) });
    const { schedules } = await test.advance(minutes(55));
    expect(book).toEqual(["begins 05-01T12:10", "ends 05-01T12:10", "begins 05-01T12:40"]);
    expect(schedules["job"]).toMatchObject({ skipped: 4, waiting: 0 });
  });

  it("or have it wait for its turn", async () => {
    const test = open({ takesMs: minutes(15) }, { overlap: "wait" });
    expect((await test.advance(minutes(40))).schedules["job"]).toMatchObject({ waiting: 1, skipped: 0 });
    expect(book).toEqual([
      ...["begins 05-01T12:10", "ends 05-01T12:10", "begins 05-01T12:20", "ends 05-01T12:20", "begins 05-01T12:30"],
    ]);
  });

  it("stop after a run that has failed, with what waits, until somebody says so", async () => {
    const test = open({ takesMs: minutes(15), failsAt: "05-01T12:10" }, { overlap: "wait", pauseOnFailure: true });
    const { schedules, workflows } = await test.advance(minutes(60));
    expect(workflows["job-2026-05-01T12:10:00Z"]).toMatchObject({ status: "failed" });
    expect(schedules["job"]).toMatchObject({ status: "paused", started: ["job-2026-05-01T12:10:00Z"], waiting: 0, skipped: 5 });
    test.schedule("job").unpause();
    expect((await test.advance(minutes(10))).schedules["job"]).toMatchObject({
      ...{ status: "active", started: ["job-2026-05-01T12:10:00Z", "job-2026-05-01T13:10:00Z"] },
    });
  });

  it("are triggered by hand, also in a pause", async () => {
    const test = open({ takesMs: minutes(5) });
    test.schedule("job").pause();
    test.schedule("job").trigger();
    const { schedules } = await test.advance(minutes(30));
    expect(schedules["job"]).toMatchObject({ status: "paused", started: ["job-2026-05-01T12:05:00Z"], skipped: 3 });
  });

  it("start nothing where the test was not given their workflow, and say so", async () => {
    const schedule = defineSchedule("job", work, { taskQueue, everyMs: minutes(10), input: { takesMs: 0 } });
    const test = testApp(defineApp({ pipelines: [], schedules: [schedule] }), { now });
    expect((await test.advance(minutes(30))).schedules["job"]).toMatchObject({ status: "no workflow", started: [] });
    expect(() => test.schedule("job")).toThrow("the test has no workflow for the schedule 'job'");
    expect(() => test.schedule("jobs")).toThrow("there is no schedule 'jobs'");
  });

  it("tell what keeps them from starting anything", async () => {
    const schedule = defineSchedule("job", work, { taskQueue, everyMs: minutes(10), input: { takesMs: 0 } });
    const activities = () => {
      throw new Error("no activities today");
    };
    const test = testApp(defineApp({ pipelines: [], schedules: [schedule] }), { now, workflows: { work }, activities });
    await expect(test.advance(minutes(30))).rejects.toThrow("no activities today");
  });
});
