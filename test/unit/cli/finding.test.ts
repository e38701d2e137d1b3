import { describe, expect, it } from "vitest";
import { roughly } from "../../../src/cli/doctor/finding.ts";

describe("a duration as people say it", () => {
  it.each([
    [0, "0 seconds"],
    [1_400, "1 second"],
    [89_600, "1 minute"],
    [1_800_000, "30 minutes"],
    [3_599_990, "1 hour"],
    [3_600_000, "1 hour"],
    [5_400_000, "2 hours"],
    [86_399_000, "1 day"],
    [259_200_000, "3 days"],
  ])("%i ms are %s", (ms, words) => {
    expect(roughly(ms)).toBe(words);
  });
});
