import { expect, it } from "vitest";
import { hours } from "../../../src/core/duration.ts";
import { defineSchedule, type ScheduleOptions } from "../../../src/dsl/schedule.ts";

async function sweep(): Promise<void> {}
async function tidy(_: { readonly shelf: string }): Promise<void> {}

it("a schedule is inert data, with what it does where nothing is said", () => {
  expect(defineSchedule("sweep", sweep, { taskQueue: "carts", everyMs: hours(1) }).plan).toEqual({
    kind: "schedule",
    name: "sweep",
    workflow: "sweep",
    taskQueue: "carts",
    when: { kind: "every", ms: hours(1) },
    overlap: "skip",
    catchUpMs: 600_000,
    pauseOnFailure: false,
  });
  expect(defineSchedule("night", sweep, { taskQueue: "carts", dailyAt: "02:15" }).plan).toMatchObject({
    when: { kind: "daily", hour: 2, minute: 15 },
    catchUpMs: 7 * 24 * hours(1),
  });
  expect(defineSchedule("tidy", tidy, { taskQueue: "carts", everyMs: 5, input: { shelf: "a" } }).plan.input).toEqual({
    shelf: "a",
  });
});

it.each<[string, object, string]>([
  ["no time", {}, "it says not when it is due"],
  ["no time of a day", { dailyAt: "25:00" }, "it says '25:00', which is no time of a day"],
  ["two times", { dailyAt: "02:15", everyMs: 5 }, "it says '02:15' and everyMs"],
  ["an overlap that there is not", { everyMs: 5, overlap: "kill" }, "overlap"],
])("a schedule with %s is refused", (_, options, says) => {
  expect(() => defineSchedule("sweep", sweep, { taskQueue: "carts", ...options } as ScheduleOptions)).toThrow(says);
});
