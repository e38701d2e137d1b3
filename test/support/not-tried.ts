import { it } from "vitest";

/**
 * Says that something cannot be tried on this machine. It passes, and `npm test` lists it above its last line: what was not tried is
 * never silent.
 */
export function notTried(what: string, why: string): void {
  // scripts/test.mjs looks for these words.
  it(`not tried here: ${what} (${why})`, () => {});
}
