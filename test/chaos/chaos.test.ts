import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isLong } from "../support/long-form.ts";
import { toTable } from "./report.ts";
import { drawSeed, faults, type Result, type Suite, shortFaults, startSuite } from "./run.ts";

/** With another seed each time. `CHAOS_SEED` repeats one that failed; `npm run chaos` is the whole suite with a report. */
const seed = process.env["CHAOS_SEED"] ?? drawSeed();
const wanted = isLong ? faults : shortFaults;
const done: Result[] = [];
let suite: Suite;

beforeAll(async () => {
  suite = await startSuite({ wanted, seed, whole: isLong, lanes: 3 });
});

afterAll(async () => {
  await suite?.close();
  if (done.length > 0) process.stderr.write(`${toTable(done, seed, suite.versions)}\n`);
});

describe(`the ${isLong ? "whole" : "short"} chaos suite (seed ${seed})`, () => {
  // They run side by side, in the suite's own order; each test waits for what came of its fault.
  for (const { name, does, expects } of wanted) {
    it(`${name}: ${does} → ${expects}`, async () => {
      const result = (await suite.results.get(name)) as Result;
      done.push(result);
      expect(result.faults).toEqual([]);
    });
  }
});
