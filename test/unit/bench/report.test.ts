import { describe, expect, test } from "vitest";
import type { Run } from "../../../bench/measure.ts";
import { toLines, toRow } from "../../../bench/report.ts";

const versions = { node: "1", redis: "2", clickhouse: "3", headrace: "4", cpus: 2 };
const run = (eventsPerSecond: number, rssBytes?: number): Run => ({
  eventsPerSecond,
  rssBytes,
  cpuMicrosPerEvent: undefined,
  redisBytesPerEvent: 10,
});
const linesOf = (runs: Readonly<Record<string, readonly Run[]>>) =>
  toLines(new Map(Object.entries(runs)), { events: 1_000, versions });
const lineOf = (runs: Readonly<Record<string, readonly Run[]>>, name: string) => linesOf(runs).find((line) => line.name === name);

describe("the lines of the speeds", () => {
  test("compare our median with the median of each rival, not the runs one by one", () => {
    const line = lineOf({ "plain": [run(90), run(300), run(100)], "hand-loop-1000": [run(40), run(1), run(50)] }, "plain");
    expect(line?.vs).toEqual({ "hand-loop-1000": 2.5 });
    expect(line?.eventsPerSecond).toEqual({ min: 90, median: 100, max: 300 });
    expect(line?.runs).toBe(3);
  });

  test("compare round by round beside that: the machine was slow in the second one", () => {
    const runs = { "plain": [run(100), run(48), run(90)], "plain-before": [run(100), run(50), run(100)] };
    expect(lineOf(runs, "plain")).toMatchObject({ vs: { "plain-before": 0.9 }, byRound: { "plain-before": 0.96 } });
    expect(lineOf({ plain: [run(100)] }, "plain")?.byRound).toEqual({});
  });

  test("take the middle of the two in the middle where the runs are even in number", () => {
    expect(lineOf({ plain: [run(100), run(200)] }, "plain")?.eventsPerSecond.median).toBe(150);
  });

  test("hold only what ran", () => {
    const line = lineOf({ "frames": [run(540)], "redpanda-connect": [run(100)] }, "frames");
    expect(line?.vs).toEqual({ "redpanda-connect": 5.4 });
  });

  test("call the slower of the two raw limits the limit, and none where only one was measured", () => {
    const raw = { "frames": [run(50)], "raw-read": [run(400)], "raw-insert": [run(100)] };
    expect(lineOf(raw, "frames")?.vs["raw-limit"]).toBe(0.5);
    expect(lineOf({ "frames": [run(50)], "raw-read": [run(400)] }, "frames")?.vs).toEqual({});
  });

  test("set two workers against one, and 64 partitions against the 8 of the frames", () => {
    const runs = { "frames": [run(100)], "partitions-64": [run(97)], "workers-1": [run(10)], "workers-2": [run(17)] };
    expect(lineOf(runs, "partitions-64")?.vs).toEqual({ "partitions-8": 0.97 });
    expect(lineOf(runs, "workers-2")?.vs).toEqual({ "workers-1": 1.7 });
    expect(lineOf(runs, "workers-1")?.vs).toEqual({});
  });

  test("give the most memory of any run, and none where the system does not tell", () => {
    expect(lineOf({ plain: [run(1, 10), run(1, 30), run(1, 20)] }, "plain")?.rssBytes).toBe(30);
    expect(lineOf({ plain: [run(1)] }, "plain")).not.toHaveProperty("rssBytes");
  });

  test("are rows for people as well, a peer that is missing too", () => {
    const [line] = linesOf({ "plain": [run(200)], "faststream": [run(100)] });
    expect(toRow(line as NonNullable<typeof line>)).toMatchObject({
      "measurement": "plain",
      "events/s": 200,
      "compared": "2 x faststream",
    });
    expect(toRow({ name: "bullmq", missing: "install it" })).toEqual({ measurement: "bullmq", missing: "install it" });
  });
});
