import { HeadraceError, messageOf } from "../../core/errors.ts";

/**
 * Something in the environment. `error`: it loses data, or nothing runs. `warning`: it will, or may. `note`: good to know; with
 * nothing else all is well.
 */
export interface DoctorFinding {
  readonly severity: "error" | "warning" | "note";
  readonly what: string;
  /** The service, setting or stream. */
  readonly where: string;
  /** The way out. */
  readonly hint: string;
}

/** A check that could not be made is a finding itself. */
export function failureOf(where: string, error: unknown): DoctorFinding {
  const hint = (error instanceof HeadraceError && error.hint) || "Make sure that it runs, and that this user may ask it.";
  return { severity: "error", what: messageOf(error), where, hint };
}

/** `3 partitions`, `1 partition`. */
export const counted = (count: number, noun: string, plural = `${noun}s`): string => `${count} ${count === 1 ? noun : plural}`;

const units = [
  ["second", 1_000],
  ["minute", 60_000],
  ["hour", 3_600_000],
  ["day", 86_400_000],
] as const;

/** A duration as people say it, in its largest unit. */
export function roughly(ms: number): string {
  let noun = "second";
  let [count, reached] = [0, ms];
  for (const [name, unitMs] of units) {
    // Rounded in the smaller unit first: a moment less than an hour is one hour, not 60 minutes.
    if (reached < unitMs && name !== "second") break;
    [noun, count] = [name, Math.round(ms / unitMs)];
    reached = count * unitMs;
  }
  return counted(count, noun);
}
