/** Leases of the twin in memory, by the rules of acquire.lua and of the scripts that ask for a lease. */
import { randomInt } from "node:crypto";
import type { Partition } from "../partition.ts";
import type { Acquired, Fence, OwnerCounts, WentBack } from "../port.ts";
import type { MemoryLease, MemoryStore } from "./store.ts";

interface Wanted {
  readonly partition: Partition;
  readonly pipeline: string;
  readonly owner: string;
  readonly ttlMs: number;
}

export function acquireLease(store: MemoryStore, { partition, pipeline, owner, ttlMs }: Wanted): Acquired {
  const now = store.clock.now();
  const lease = store.lease(partition, pipeline);
  if (lease.owner !== undefined && lease.owner !== owner && lease.until > now) {
    // The clock may have been put back since: nobody has a lease for longer than its TTL.
    lease.until = Math.min(lease.until, now + lease.ttlMs);
    return { kind: "taken", owner: lease.owner, leftMs: lease.until - now };
  }
  const tenure = Math.max(lease.tenure, now * 1024) + 1 + randomInt(1024);
  if (lease.tenure > 0) lease.past = { tenure: lease.tenure, commits: lease.commits, reads: lease.reads };
  Object.assign(lease, { owner, until: now + ttlMs, ttlMs, epoch: lease.epoch + 1, tenure, commits: 0, reads: 0, made: "" });
  return { kind: "owned", epoch: lease.epoch, tenure, lastDelivered: store.group(partition, pipeline).lastDelivered };
}

export function holds(store: MemoryStore, { partition, pipeline, owner, epoch, tenure }: Fence): boolean {
  const lease = store.lease(partition, pipeline);
  return lease.owner === owner && lease.epoch === epoch && lease.tenure === tenure;
}

/** Whether the lease is the caller's, and all that it was told is still here. */
export function leaseStatus(
  store: MemoryStore,
  fence: Fence,
  known: OwnerCounts,
): { readonly kind: "held" } | { readonly kind: "fenced" } | WentBack {
  const lease = store.lease(fence.partition, fence.pipeline);
  const { past } = lease;
  if (Math.min(lease.tenure, past?.tenure ?? lease.tenure) < fence.tenure && lease.tenure !== fence.tenure)
    return { kind: "went-back", left: { commits: 0, reads: 0 } };
  if (past?.tenure === fence.tenure && (past.commits < known.commits || past.reads < known.reads))
    return { kind: "went-back", left: { commits: past.commits, reads: past.reads } };
  if (!holds(store, fence)) return { kind: "fenced" };
  const { commits, reads } = lease;
  if (commits >= known.commits && reads >= known.reads) return { kind: "held" };
  dismiss(lease);
  return { kind: "went-back", left: { commits, reads } };
}

/** The owner has to begin anew. */
export function dismiss(lease: MemoryLease): void {
  lease.epoch++;
  lease.owner = undefined;
}
