import type { Partition } from "../bus/partition.ts";
import type { Bus, Fence } from "../bus/port.ts";
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";

export interface OwnershipOptions {
  readonly owner: string;
  /** How long a lease lives without renewal. A standby waits as long before it takes over. @default 10000 */
  readonly ttlMs: number;
}

export interface OwnershipDeps {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What an owner is given: the fence, where new entries begin, and a signal that says when the lease is gone. */
export interface Owned {
  readonly fence: Fence;
  readonly lastDelivered: string;
  readonly lost: AbortSignal;
}

/**
 * Stands by for a partition, and runs `work` whenever the lease is ours, until `stop` aborts and the work has ended.
 *
 *   standby ──lease free or expired──▶ owned ──renewed every ttl/3──▶ owned
 *      ▲                                 │ renewal refused, or none for ttl − 2 s by our own monotonic clock
 *      └──────────────── lost ◀──────────┘
 */
export async function own(
  { partition, pipeline }: { readonly partition: Partition; readonly pipeline: string },
  work: (owned: Owned) => Promise<void>,
  { deps, options, stop }: { readonly deps: OwnershipDeps; readonly options: OwnershipOptions; readonly stop: AbortSignal },
): Promise<void> {
  const { bus, clock, logger } = deps;
  const about = { partition: partition.name, pipeline };
  while (!stop.aborted) {
    const acquired = await bus.acquire(partition, pipeline, options).catch((error) => {
      logger.warn({ ...about, error: messageOf(error) }, "no lease: trying again");
      return { kind: "taken", owner: "", leftMs: 1_000 } as const;
    });
    if (acquired.kind === "taken") {
      await clock.sleep(Math.min(acquired.leftMs, options.ttlMs / 5) + 50, stop);
      continue;
    }
    const fence: Fence = { partition, pipeline, owner: options.owner, epoch: acquired.epoch };
    const lease = new AbortController();
    const done = new AbortController();
    const keeping = keep(fence, lease, done.signal);
    try {
      logger.debug({ ...about, epoch: fence.epoch }, "partition taken");
      await work({ fence, lastDelivered: acquired.lastDelivered, lost: lease.signal });
    } finally {
      done.abort();
      await keeping;
      await bus.release(fence).catch(() => {}); // it expires by itself
    }
  }

  async function keep(fence: Fence, lease: AbortController, done: AbortSignal): Promise<void> {
    let renewed = clock.monotonic();
    while (!done.aborted) {
      await clock.sleep(options.ttlMs / 3, done);
      if (done.aborted) return;
      const asked = clock.monotonic();
      const kept = await bus.renew(fence, options.ttlMs).catch(() => undefined);
      if (kept) renewed = asked;
      if (kept === false || clock.monotonic() - renewed > options.ttlMs - 2_000) {
        logger.warn({ ...about, epoch: fence.epoch }, "lease lost");
        lease.abort();
        return;
      }
    }
  }
}
