import { keys } from "../../bus/partition.ts";
import type { Fence, PartitionLog } from "../../bus/port.ts";
import type { Clock } from "../../core/clock.ts";
import { HeadraceError, messageOf } from "../../core/errors.ts";
import { linkAbort } from "../../core/linked-abort.ts";
import type { Logger } from "../../core/log.ts";
import type { Telemetry } from "../../telemetry/port.ts";
import type { AssignmentSlot } from "./assignment.ts";

export interface LeaseOptions {
  readonly owner: string;
  /** How long a lease lives without renewal. A standby waits as long before it takes over. @default 10000 */
  readonly ttlMs: number;
}

export interface LeaseDeps {
  readonly bus: PartitionLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
}

/** A lease that is ours. */
export interface Lease {
  readonly fence: Fence;
  /** Where new entries begin. */
  readonly lastDelivered: string;
  /** It is gone. */
  readonly lost: AbortSignal;
}

/** How an attempt to hold a lease has ended. */
export type HoldResult =
  /** It was held, and was given back. */
  | { readonly kind: "ours" }
  /** Another worker has it, for `leftMs` more unless that one renews it. */
  | { readonly kind: "taken"; readonly leftMs: number }
  /** Redis has not answered. */
  | { readonly kind: "failed" };

/** A lease counts as lost this part of its life before it expires at the server, so that work under way ends in time. */
const marginPart = 1 / 5;

/** Holds the lease of one partition for as long as work goes on. */
export class LeaseHolder {
  readonly #slot: AssignmentSlot;
  readonly #deps: LeaseDeps;
  readonly #options: LeaseOptions;
  readonly #trustedMs: number;
  #failure: { readonly reason: string; readonly since: number } | undefined;

  constructor(slot: AssignmentSlot, deps: LeaseDeps, options: LeaseOptions) {
    this.#slot = slot;
    this.#deps = deps;
    this.#options = options;
    this.#trustedMs = options.ttlMs * (1 - marginPart);
  }

  /** Tries for the lease, and works as long as it is ours: it is renewed meanwhile, and given back after it. */
  async hold(work: (lease: Lease) => Promise<void>): Promise<HoldResult> {
    const { bus, clock } = this.#deps;
    const { partition, pipeline } = this.#slot;
    const { owner } = this.#options;
    const asked = clock.monotonic();
    const acquired = await bus.acquire(partition, pipeline, this.#options).catch((error) => {
      this.#failed(error);
      return { kind: "failed" } as const;
    });
    if (acquired.kind === "failed") return acquired;
    this.#answered();
    if (acquired.kind === "taken") return { kind: "taken", leftMs: Math.max(1, acquired.leftMs) };
    const { epoch, tenure, lastDelivered, unreadable } = acquired;
    const fence: Fence = { partition, pipeline, owner, epoch, tenure };
    if (unreadable) this.#tellUnreadable(fence, unreadable);
    const lease = new AbortController();
    const done = new AbortController();
    const keeping = this.#keep(fence, { lease, done: done.signal, until: asked + this.#trustedMs });
    try {
      this.#tell("taken", fence);
      await work({ fence, lastDelivered, lost: lease.signal });
      return { kind: "ours" };
    } finally {
      done.abort();
      await keeping;
      await bus.release(fence).catch(() => {}); // it expires by itself
      if (!lease.signal.aborted) this.#tell("released", fence);
    }
  }

  /** Renews until `done`. A renewal counts from when it was sent, not from its answer; and an answer that never comes is not waited for. */
  async #keep(
    fence: Fence,
    { lease, done, until }: { readonly lease: AbortController; readonly done: AbortSignal; readonly until: number },
  ): Promise<void> {
    const { bus, clock } = this.#deps;
    const { ttlMs } = this.#options;
    let trusted = until;
    while (!done.aborted) {
      await clock.sleep(Math.min(ttlMs / 3, trusted - clock.monotonic()), done);
      if (done.aborted) return;
      const asked = clock.monotonic();
      const answer = await this.#within(trusted - asked, done, () => bus.renew(fence, ttlMs));
      if (answer === "kept") trusted = asked + this.#trustedMs;
      if (answer === "gone" || clock.monotonic() >= trusted) {
        this.#tell("lost", fence);
        lease.abort();
        return;
      }
    }
  }

  /** Whether a lease was renewed; `unknown` where that fails or takes longer. */
  async #within(ms: number, signal: AbortSignal, renew: () => Promise<boolean>): Promise<"kept" | "gone" | "unknown"> {
    const answered = linkAbort(signal);
    const unknown = () => "unknown" as const;
    try {
      const renewed = renew().then((kept) => (kept ? "kept" : "gone"), unknown);
      return await Promise.race([renewed, this.#deps.clock.sleep(ms, answered.signal).then(unknown)]);
    } finally {
      answered.abort();
      answered.unlink();
    }
  }

  /** Logs why there is no lease: once for each reason, however long it goes on. */
  #failed(error: unknown): void {
    const reason = messageOf(error);
    if (reason === this.#failure?.reason) return;
    this.#failure = { reason, since: this.#failure?.since ?? this.#deps.clock.monotonic() };
    const hint = error instanceof HeadraceError ? error.hint : undefined;
    this.#deps.logger.warn({ ...this.#about, error: reason, ...(hint && { hint }) }, "no lease: trying again");
  }

  #answered(): void {
    if (!this.#failure) return;
    const lastedMs = Math.round(this.#deps.clock.monotonic() - this.#failure.since);
    this.#failure = undefined;
    this.#deps.logger.info({ ...this.#about, lastedMs }, "a lease can be asked for again");
  }

  /** It goes on, and somebody may want to know who writes there. */
  #tellUnreadable({ epoch }: Fence, fields: readonly string[]): void {
    const { partition, pipeline } = this.#slot;
    this.#deps.logger.error(
      { ...this.#about, lease: keys.lease(partition, pipeline), fields, epoch },
      "the record of a lease could not be read: it is made anew, under an epoch above all before, and what is pending is read again",
    );
  }

  #tell(kind: "taken" | "released" | "lost", { epoch }: Fence): void {
    const { logger, telemetry } = this.#deps;
    telemetry.lease?.({ kind, ...this.#about, epoch });
    if (kind === "taken") logger.debug({ ...this.#about, epoch }, "partition taken");
    if (kind === "lost") logger.warn({ ...this.#about, epoch }, "lease lost");
  }

  get #about() {
    return { partition: this.#slot.partition.name, pipeline: this.#slot.pipeline };
  }
}
