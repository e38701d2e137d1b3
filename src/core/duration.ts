import { ConfigError } from "./errors.ts";

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/**
 * `n` seconds, in milliseconds.
 *
 * @example
 * ```ts
 * seconds(30); // 30_000
 * ```
 */
export const seconds = (n: number): number => n * unitMs.s;
/**
 * `n` minutes, in milliseconds.
 *
 * @example
 * ```ts
 * minutes(5); // 300_000
 * ```
 */
export const minutes = (n: number): number => n * unitMs.m;
/**
 * `n` hours, in milliseconds.
 *
 * @example
 * ```ts
 * hours(24); // 86_400_000
 * ```
 */
export const hours = (n: number): number => n * unitMs.h;
/**
 * `n` days of 24 hours, in milliseconds.
 *
 * @example
 * ```ts
 * days(7); // 604_800_000
 * ```
 */
export const days = (n: number): number => n * unitMs.d;

/** Parses `250ms`, `30s`, `2m`, `1.5h` or `7d` into milliseconds. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim());
  if (!match) {
    throw new ConfigError("usage", `'${text}' is not a duration`, {
      hint: "Write a number and a unit, such as 250ms, 30s, 2m, 1h or 7d.",
    });
  }
  return Number(match[1]) * unitMs[match[2] as keyof typeof unitMs];
}
