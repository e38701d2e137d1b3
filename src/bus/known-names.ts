import type { Fence } from "./fence.ts";

/** What a commit writes of the names of events. */
export interface NamesCommit {
  /** The number of the page that they are added to. Pages are numbered from 0, and kept for `ttlMs` behind their last commit. */
  readonly page: number;
  /** The number of the page that goes. */
  readonly out: number;
  readonly ttlMs: number;
  readonly records: Buffer;
}

/** The names of the events that a pipeline has taken from a partition lately. They are written by the commit alone. */
export interface NameStore {
  /** The newest page and so many before it, in their order; empty where one is gone. */
  names(fence: Fence, pages: number): Promise<{ readonly newest: number; readonly stored: readonly Buffer[] } | "fenced">;
}
