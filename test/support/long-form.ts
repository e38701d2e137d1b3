import { randomInt } from "node:crypto";

/**
 * How many cases a test draws: `few` in `npm test`, `many` in `npm run test:long`, which runs the tests that import this file;
 * HEADRACE_RUNS names another number.
 */
export const casesOf = ({ few, many }: { readonly few: number; readonly many: number }): number =>
  Number(process.env["HEADRACE_RUNS"] ?? (process.env["HEADRACE_LONG"] === "1" ? many : few));

/** Drawn anew in each run; HEADRACE_SEED repeats one. */
export const seed = process.env["HEADRACE_SEED"] ?? String(randomInt(2 ** 32));
