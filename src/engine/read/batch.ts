import type { Entry, Fence } from "../../bus/port.ts";

/** What one read brought, on its way to its commit. Timers that fire by themselves are a batch without entries. */
export interface Batch extends BatchHead {
  readonly entries: readonly Entry[];
}

/** A batch without its entries: they are let go of once they are opened, since a batch may wait long for its commit. */
export interface BatchHead {
  /** Of the log that it was read from. */
  readonly fence: Fence;
  /** `pending`: its entries were given out before, and not acked. */
  readonly from: "pending" | "new";
  /** When it was read, by the monotonic clock. */
  readonly readAt: number;
  /** Nothing is left to be read, so event time goes on by the clock. */
  readonly atRest: boolean;
}
