import type { Bus, Fence } from "../../bus/port.ts";
import type { Clock } from "../../core/clock.ts";
import { HeadraceError, messageOf } from "../../core/errors.ts";
import { linkAbort } from "../../core/linked-abort.ts";
import type { Logger } from "../../core/log.ts";
import type { Seat, Shares, Slot } from "./shares.ts";

export interface OwnershipOptions {
  readonly owner: string;
  /** How long a lease lives without renewal. A standby waits as long before it takes over. @default 10000 */
  readonly ttlMs: number;
}

export interface OwnershipDeps {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How many leases are ours to take. */
  readonly shares: Shares;
}

/** What an owner is given. */
export interface Owned {
  readonly fence: Fence;
  /** Where new entries begin. */
  readonly lastDelivered: string;
  /** The lease is gone. */
  readonly lost: AbortSignal;
  /** The lease is to be given back: what was read is still to be settled. */
  readonly stop: AbortSignal;
}

/** A lease counts as lost this part of its life before it ends at the server: work that is under way then ends in time. */
const marginPart = 1 / 5;

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
  slot: Slot,
  work: (owned: Owned) => Promise<void>,
  { deps, options, stop }: { readonly deps: OwnershipDeps; readonly options: OwnershipOptions; readonly stop: AbortSignal },
): Promise<void> {
  const { bus, clock, logger, shares } = deps;
  const { partition, pipeline } = slot;
  const about = { partition: partition.name, pipeline };
  const trustedMs = options.ttlMs * (1 - marginPart);
  let told: string | undefined;
  let failingSince = 0;
  for (let seat = await shares.seat(slot); seat; seat = await shares.seat(slot)) {
    const takenForMs = await hold(seat).finally(seat.leave);
    const ms = Math.min(takenForMs, options.ttlMs / 6) + 50;
    if (takenForMs > 0) await shares.rest(slot, { ms, leftMs: takenForMs });
  }

  /** Why there is no lease: once, however long it goes on. */
  function tell(error: unknown): void {
    const reason = messageOf(error);
    if (reason === told) return;
    if (told === undefined) failingSince = clock.monotonic();
    told = reason;
    const hint = error instanceof HeadraceError ? error.hint : undefined;
    logger.warn({ ...about, error: reason, ...(hint && { hint }) }, "no lease: trying again");
  }

  /** Tries for the lease, and works as long as it is ours. How long it will be another's, milliseconds; 0 where it was ours. */
  async function hold(seat: Seat): Promise<number> {
    const asked = clock.monotonic();
    const acquired = await bus.acquire(partition, pipeline, options).catch((error) => {
      tell(error);
      return { kind: "failed" } as const;
    });
    if (acquired.kind === "failed") return 1_000;
    if (told !== undefined) {
      logger.info({ ...about, lastedMs: Math.round(clock.monotonic() - failingSince) }, "a lease can be asked for again");
      told = undefined;
    }
    if (acquired.kind === "taken") return Math.max(1, acquired.leftMs);
    const fence: Fence = { partition, pipeline, owner: options.owner, epoch: acquired.epoch, tenure: acquired.tenure };
    const lease = new AbortController();
    const done = new AbortController();
    const ending = linkAbort(stop, seat.surplus);
    const keeping = keep(fence, { lease, done: done.signal, until: asked + trustedMs });
    try {
      logger.debug({ ...about, epoch: fence.epoch }, "partition taken");
      seat.take();
      const { lastDelivered } = acquired;
      await work({ fence, lastDelivered, lost: lease.signal, stop: ending.signal });
      return 0;
    } finally {
      ending.unlink();
      done.abort();
      await keeping;
      await bus.release(fence).catch(() => {}); // it expires by itself
    }
  }

  /** Renews until `done`. The time of asking counts, not of the answer; and an answer that never comes must not keep us waiting. */
  async function keep(
    fence: Fence,
    { lease, done, until }: { lease: AbortController; done: AbortSignal; until: number },
  ): Promise<void> {
    let trusted = until;
    while (!done.aborted) {
      await clock.sleep(Math.min(options.ttlMs / 3, trusted - clock.monotonic()), done);
      if (done.aborted) return;
      const asked = clock.monotonic();
      const kept = await within(trusted - asked, done, () => bus.renew(fence, options.ttlMs));
      if (kept) trusted = asked + trustedMs;
      if (kept === false || clock.monotonic() >= trusted) {
        logger.warn({ ...about, epoch: fence.epoch }, "lease lost");
        lease.abort();
        return;
      }
    }
  }

  /** The answer of a call; `undefined` where it fails or takes longer. */
  async function within<Answer>(ms: number, signal: AbortSignal, call: () => Promise<Answer>): Promise<Answer | undefined> {
    const answered = linkAbort(signal);
    try {
      return await Promise.race([call().catch(() => undefined), clock.sleep(ms, answered.signal).then(() => undefined)]);
    } finally {
      answered.abort();
      answered.unlink();
    }
  }
}
