import type { Rate } from "../core/rate-limit.ts";

export interface TokenGrant {
  /** Tokens taken, from 0 to what was wanted. */
  readonly granted: number;
  /** Where fewer than wanted were there: how long until there is another one, milliseconds. Else 0. */
  readonly waitMs: number;
  /** Whole tokens that are left. */
  readonly left: number;
}

/**
 * Token buckets that several processes share. A bucket is full at first (`burst` tokens) and fills by `perSecond`. In any time, all
 * that ask together are granted at most `burst + perSecond × seconds`.
 */
export interface Buckets {
  /**
   * Takes as many tokens as there are, up to the whole number `want`.
   * @throws RetryableError when the buckets cannot be reached; nothing is granted then, though tokens may be lost
   */
  take(name: string, rate: Rate, want: number): Promise<TokenGrant>;
  close(): Promise<void>;
}
