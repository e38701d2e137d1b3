import { expect, test } from "vitest";
import type { LatencyRun } from "../../../bench/latency.ts";
import { toLatencyLines } from "../../../bench/latency-report.ts";

const versions = { node: "1", redis: "2", clickhouse: "3", headrace: "4", cpus: 2 };
const run = (p50Ms: number, p99Ms: number, maxMs: number): LatencyRun => ({
  p50Ms,
  p99Ms,
  maxMs,
  insertsPerSecond: 10,
  senderLateMs: 1,
});

test("a latency line compares our p99 with theirs, median over median, at the same rate alone", () => {
  const lines = toLatencyLines(
    [
      { of: "plain", profile: "default", rate: 10_000, runs: [run(50, 90, 100), run(51, 95, 700), run(52, 200, 300)] },
      { of: "hand-loop-1000", profile: undefined, rate: 10_000, runs: [run(1, 50, 60), run(1, 10, 60), run(1, 80, 60)] },
      { of: "hand-loop-1000", profile: undefined, rate: 100, runs: [run(1, 5, 6)] },
    ],
    versions,
  );
  expect(lines[0]).toEqual({
    name: "latency",
    profile: "default",
    rate: 10_000,
    p50Ms: 51,
    p99Ms: 95,
    maxMs: 700,
    insertsPerSecond: 10,
    vs: { "hand-loop-1000": 1.9 },
    senderLateMs: 1,
    runs: 3,
    versions,
  });
  expect(lines[1]).toMatchObject({ name: "latency", of: "hand-loop-1000", rate: 10_000, p99Ms: 50, vs: {} });
  expect(lines[1]).not.toHaveProperty("profile");
});
