import { hours } from "./duration.ts";
import { ConfigError } from "./errors.ts";

/** Two clocks that are both synchronised are never further apart. */
const toleranceMs = hours(1);

/**
 * The time by which what a server keeps is cleaned up: the server's own, which dates it. Where ours is another, one of the two is wrong, and
 * what cannot be undone is not done by it.
 *
 * @param server what keeps it, for the error
 * @param theirs its clock, milliseconds since the epoch
 * @throws ConfigError `config.environment` where the two are more than an hour apart
 */
export function agreedTime(server: string, theirs: number, ours: number = Date.now()): number {
  if (Math.abs(theirs - ours) <= toleranceMs) return theirs;
  throw new ConfigError(
    "config.environment",
    `the clock of ${server} shows ${isoOf(theirs)}, and this machine's ${isoOf(ours)}: nothing is cleaned up, put away or given up by a clock that may be wrong`,
    { hint: "Let both machines take their time from NTP; 'headrace doctor' shows by how much they differ. Then try again." },
  );
}

const isoOf = (ms: number): string => new Date(ms).toISOString();
