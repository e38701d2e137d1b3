import { linkAbort } from "../../core/linked-abort.ts";
import type { Assignment, AssignmentSlot } from "./assignment.ts";
import { type Lease, type LeaseDeps, LeaseHolder, type LeaseOptions } from "./lease-holder.ts";

export interface OwnDeps extends LeaseDeps {
  /** How many leases are ours to take. */
  readonly assignment: Assignment;
}

/** What an owner is given. */
export interface Owned extends Lease {
  /** Aborts when the lease is to be given back in order: what was read is still settled first. */
  readonly stop: AbortSignal;
}

/** Between two tries for a lease that cannot be asked for, milliseconds. */
const retryMs = 1_000;

/**
 * Stands by for a partition, and runs `work` whenever the lease is ours, until `stop` aborts and the work has ended.
 *
 *   waiting ──our share has room──▶ standby ──lease free or expired──▶ owned ──renewed every ttl/3──▶ owned
 *      ▲                               │                                │
 *      ├── taken by another ◀──────────┘                                │
 *      ├── lost ◀───── renewal refused, or none for 4/5 of the ttl by our own monotonic clock
 *      └── released ◀───── over our share: the work ended in order ◀────┘
 */
export async function own(
  slot: AssignmentSlot,
  work: (owned: Owned) => Promise<void>,
  { deps, options, stop }: { readonly deps: OwnDeps; readonly options: LeaseOptions; readonly stop: AbortSignal },
): Promise<void> {
  const { assignment } = deps;
  const holder = new LeaseHolder(slot, deps, options);
  for (let claim = await assignment.claim(slot); claim.kind === "granted"; claim = await assignment.claim(slot)) {
    const { surplus, take, leave } = claim;
    const holding = holder.hold(async (lease) => {
      const ending = linkAbort(stop, surplus);
      try {
        take();
        await work({ ...lease, stop: ending.signal });
      } finally {
        ending.unlink();
      }
    });
    const held = await holding.finally(leave);
    if (held.kind === "ours") continue;
    const leftMs = held.kind === "taken" ? held.leftMs : retryMs;
    await assignment.rest(slot, { ms: Math.min(leftMs, options.ttlMs / 6) + 50, leftMs });
  }
}
