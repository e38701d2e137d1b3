import { randomInt } from "node:crypto";

/** Whether this is `npm run test:long`. */
export const isLong = process.env["HEADRACE_LONG"] === "1";

/**
 * How many cases a test draws: `few` in `npm test`, `many` in `npm run test:long`, HEADRACE_RUNS names another number.
 */
export const casesOf = ({ few, many }: { readonly few: number; readonly many: number }): number =>
  Number(process.env["HEADRACE_RUNS"] ?? (isLong ? many : few));

/** Drawn anew in each run; HEADRACE_SEED repeats one. */
export const seed = process.env["HEADRACE_SEED"] ?? String(randomInt(2 ** 32));
