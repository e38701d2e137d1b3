import { slownessOf, wantingNow } from "./undisturbed.ts";

/** From the end of an owner until living workers own every partition. */
export interface Takeover {
  readonly ms: number;
  /** When the first of those workers was ready, counted from the same moment: negative for one that stood by. */
  readonly readyAfterMs: number;
  /** How many times slower than an idle machine. */
  readonly slowness: number;
  /** How long that of those workers which waited longest stood ready to run, and had no core. */
  readonly queuedMs: number;
}

/** What is promised on top. */
const promisedMs = 2_000;

/** How slow the machine is over the looks that are taken meanwhile. */
export function watchSlowness(): { look(): void; readonly slowness: () => number } {
  let looks = 0;
  let wanting = 0;
  return {
    look() {
      looks++;
      wanting += wantingNow();
    },
    slowness: () => slownessOf(wanting / Math.max(1, looks)),
  };
}

/**
 * What is wrong with the times of takeovers, in sentences. The lease of a dead owner runs to its end, whatever the machine does; nobody
 * takes over before he is there, nor while he waits for a core.
 */
export const judgeTakeovers = (takeovers: readonly Takeover[], leaseMs: number): readonly string[] =>
  takeovers.flatMap(({ ms, readyAfterMs, slowness, queuedMs }) => {
    const due = Math.max(leaseMs, readyAfterMs) + promisedMs * slowness + queuedMs;
    if (ms <= due) return [];
    const [took, promised] = [ms, due].map((time) => (time / 1_000).toFixed(1));
    return [`a takeover took ${took} s, and on a machine that is ${slowness.toFixed(1)} times slower ${promised} s are promised`];
  });
