import type { Partition } from "./partition.ts";

/** Proof of ownership. Every read and commit carries it, and is refused once the epoch has moved on. */
export interface Fence {
  readonly partition: Partition;
  readonly pipeline: string;
  readonly owner: string;
  readonly epoch: number;
}
