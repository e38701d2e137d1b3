import { acrossCopies } from "./across-copies.ts";
import type { ErrorCode } from "./error-codes.ts";

/** What every error of Headrace carries beside its message. */
export interface ErrorDetails {
  /** The way out, as one imperative sentence. */
  readonly hint?: string;
  /** The error underneath, where there is one. */
  readonly cause?: unknown;
}

/**
 * The common shape of Headrace's errors. The message says what and where; `hint` says the way out.
 * Do not throw it: throw the subclass that names the decision the caller has to take.
 *
 * @example
 * ```ts
 * const explain = (error: unknown) => {
 *   if (error instanceof HeadraceError) return `${error.code}: ${error.message} ${error.hint ?? ""}`;
 *   throw error;
 * };
 * ```
 */
export abstract class HeadraceError extends Error {
  /** What has gone wrong, for programs. */
  readonly code: ErrorCode;
  /** The way out, for people. */
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
  }
}

/**
 * The code, the configuration or the call is wrong: waiting will not help, a person must change something.
 *
 * @example
 * ```ts
 * if (!process.env["GEO_URL"]) {
 *   throw new ConfigError("config.environment", "GEO_URL is not set", { hint: "Set it to the address of the service." });
 * }
 * ```
 */
export class ConfigError extends HeadraceError {
  override readonly name = "ConfigError";
}

/**
 * The world is not ready (network, time-out, overload): the same call may succeed later.
 *
 * @example
 * ```ts
 * const response = await fetch("http://127.0.0.1:8080/geo");
 * if (response.status === 503) throw new RetryableError("service.unreachable", "geo is away", { retryAfterMs: 1_000 });
 * ```
 */
export class RetryableError extends HeadraceError {
  override readonly name = "RetryableError";
  /** When to try again, milliseconds from now, where that is known: what an HTTP server answers as `Retry-After`. */
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails & { readonly retryAfterMs?: number } = {}) {
    super(code, message, details);
    this.retryAfterMs = details.retryAfterMs;
  }
}

/**
 * This piece of data can never succeed: give it up (dead-letter it), and go on with its siblings.
 *
 * @example
 * ```ts
 * const readYear = (text: string) => {
 *   if (/^\d{4}$/.test(text)) return Number(text);
 *   throw new TerminalError("event.invalid", `'${text}' is not a year`);
 * };
 * ```
 */
export class TerminalError extends HeadraceError {
  override readonly name = "TerminalError";
}

for (const [name, Class] of Object.entries({ HeadraceError, ConfigError, RetryableError, TerminalError }))
  acrossCopies(Class, name);

/** The code of anything that was thrown; `unknown` where it is none of ours. */
export const codeOf = (error: unknown): string => (error instanceof HeadraceError ? error.code : "unknown");

/** The message of anything that was thrown, on one line. */
export function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ").trim();
}
