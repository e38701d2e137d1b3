import type { Partition } from "./partition.ts";

/** Proof of ownership. Every read and commit carries it, and is refused once the lease was taken anew. */
export interface Fence {
  readonly partition: Partition;
  readonly pipeline: string;
  readonly owner: string;
  /** How often the lease was taken. */
  readonly epoch: number;
  /** Names this acquisition of the lease. It is never given out again, also where Redis goes back to an earlier state. */
  readonly tenure: number;
}

/** What an owner was told: how many commits it has made, and how many reads have brought it something new. */
export interface OwnerCounts {
  readonly commits: number;
  readonly reads: number;
}

/**
 * Redis knows less than it has told: it has gone back to an earlier state under a living owner (a crash before its log was on disk, a
 * replica that lagged and was promoted, a copy that was put back). The lease is free, and whoever had it has to begin anew.
 */
export interface WentBack {
  readonly kind: "went-back";
  /** What is left of it. */
  readonly left: OwnerCounts;
}
