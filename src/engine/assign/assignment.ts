import type { Partition } from "../../bus/partition.ts";
import type { Clock } from "../../core/clock.ts";
import { type Facts, type RegistryView, withRole } from "../../registry/port.ts";
import { fairShare, type LiveWorker } from "./fair-share.ts";

/** What a lease is of. */
export interface AssignmentSlot {
  readonly pipeline: string;
  readonly partition: Partition;
}

/** The right to try for one lease, and to keep it; or none, since it is time to stop. */
export type Claim = GrantedClaim | { readonly kind: "stopped" };

export interface GrantedClaim {
  readonly kind: "granted";
  /** Aborts when the lease is to be given back, in order. */
  readonly surplus: AbortSignal;
  /** The lease is ours. */
  take(): void;
  /** The lease was not got, or was given back: another may have the claim. */
  leave(): void;
}

interface Grant {
  readonly slot: AssignmentSlot;
  readonly surplus: AbortController;
  taken: boolean;
  /** Taken beyond the share, since nobody else took it: it is not counted. */
  beyond: boolean;
}

interface Sleeper {
  readonly slot: AssignmentSlot;
  readonly nudge: AbortController;
}

export interface AssignmentOptions {
  /** This worker, as the registry knows it. */
  readonly self: Pick<Facts, "instance" | "since">;
  /** All that it stands by for. */
  readonly slots: readonly AssignmentSlot[];
  /** How long a lease may stay free, while the workers do not change, before one takes it beyond its share, milliseconds. */
  readonly graceMs: number;
  readonly clock: Clock;
  /** Ends all waiting. */
  readonly stop: AbortSignal;
  /** Hears what this worker holds, at each change. */
  readonly onHeld: (pipelines: Facts["pipelines"]) => void;
}

/**
 * Who may hold how many leases. Every worker sees the same others in the registry and computes the same shares
 * (fair-share.ts); the leases say which. There is no leader, and no two workers have to agree on anything.
 *
 * Why it comes to rest: while the workers do not change, one gives back only what it holds over its share, and takes only
 * while it holds less. So it gives back nothing that it took since the change: a lease moves at most once. And shares add up
 * to all partitions: while a lease is free, somebody holds less than a share and takes it.
 *
 * Liveness goes before fairness. While the registry cannot be read, what is held is kept and what is free may be taken. And
 * where a worker does not take its share (it is sick, or of a version with other partitions), another takes it when its
 * grace is over, and keeps it until the workers change.
 */
export class Assignment {
  readonly #options: AssignmentOptions;
  readonly #grants = new Set<Grant>();
  /** Those who wait for a claim, and those who rest between two tries. */
  readonly #waiting = new Set<Sleeper>();
  readonly #resting = new Set<Sleeper>();
  #view: RegistryView;
  #workers: string | undefined;
  /** `undefined`: as many as there are. None before the first view. */
  #share: ReadonlyMap<string, number> | undefined = new Map();
  #changedAt = 0;
  /** Until when leases are held that we tried for. */
  readonly #heldUntil = new Map<string, number>();

  constructor(options: AssignmentOptions) {
    this.#options = options;
    options.stop.addEventListener("abort", () => this.#wakeAll(), { once: true });
  }

  /** The pipelines of this worker, and what it holds of each. */
  held(): Facts["pipelines"] {
    const { slots } = this.#options;
    const taken = [...this.#grants].filter((grant) => grant.taken).map(({ slot }) => slot);
    const of = (all: readonly AssignmentSlot[], name: string) => all.filter(({ pipeline }) => pipeline === name);
    const names = new Set(slots.map(({ pipeline }) => pipeline));
    return Object.fromEntries(
      [...names].map((name) => [
        name,
        {
          partitions: of(slots, name).length,
          held: of(taken, name)
            .map(({ partition }) => partition.name)
            .sort(),
        },
      ]),
    );
  }

  /** The registry shows this now. */
  see(view: RegistryView): void {
    const { self, clock } = this.#options;
    this.#view = view;
    this.#changedAt = clock.monotonic();
    // This worker as it is now: its entry in the registry may have expired, or not be there yet.
    const others = withRole(view ?? [], "worker").filter(({ instance }) => instance !== self.instance);
    const workers = [{ ...self, pipelines: this.held() }, ...others].map(toLiveWorker);
    const seen = view && JSON.stringify(workers);
    if (seen === undefined || seen !== this.#workers) {
      this.#workers = seen;
      this.#share = view && fairShare(self.instance, workers);
      for (const grant of this.#grants) grant.beyond = false;
      for (const name of Object.keys(this.held())) this.#giveBack(name);
    }
    this.#wakeAll();
  }

  /** Waits until one more lease is ours to take. */
  async claim(slot: AssignmentSlot): Promise<Claim> {
    while (!this.#options.stop.aborted) {
      if (this.#hasRoom(slot.pipeline)) return this.#grant(slot, false);
      const graceMs = this.#graceLeft(slot);
      if (graceMs <= 0) return this.#grant(slot, true);
      await this.#sleep(this.#waiting, slot, graceMs);
    }
    return { kind: "stopped" };
  }

  /**
   * Another worker holds the lease for `leftMs` more; the registry need not show it. Waits for `ms`, or until a change among the workers is
   * a reason to try again.
   */
  rest(slot: AssignmentSlot, { ms, leftMs }: { readonly ms: number; readonly leftMs: number }): Promise<void> {
    this.#heldUntil.set(nameOf(slot), this.#options.clock.monotonic() + leftMs);
    return this.#sleep(this.#resting, slot, ms);
  }

  #grant(slot: AssignmentSlot, beyond: boolean): GrantedClaim {
    const grant: Grant = { slot, surplus: new AbortController(), taken: false, beyond };
    this.#grants.add(grant);
    const { onHeld } = this.#options;
    return {
      kind: "granted",
      surplus: grant.surplus.signal,
      take: () => {
        grant.taken = true;
        onHeld(this.held());
        this.#giveBack(slot.pipeline); // the share may have shrunk since it was granted
      },
      leave: () => {
        this.#grants.delete(grant);
        if (grant.taken) onHeld(this.held());
        // One claim is free, so one of those who wait is woken: if all were, partitions would keep waking each other.
        for (const { slot: waiting, nudge } of this.#waiting) {
          if (waiting.pipeline !== slot.pipeline || nudge.signal.aborted) continue;
          nudge.abort();
          break;
        }
      },
    };
  }

  #hasRoom(pipeline: string): boolean {
    return this.#share === undefined || this.#counted(pipeline).length < (this.#share.get(pipeline) ?? 0);
  }

  #giveBack(pipeline: string): void {
    if (this.#share === undefined) return;
    const kept = this.#counted(pipeline).filter(({ taken, surplus }) => taken && !surplus.signal.aborted);
    // The newest first: they have the least in their caches.
    for (const { surplus } of kept.slice(this.#share.get(pipeline) ?? 0)) surplus.abort();
  }

  /** Also those that are being given back: what was taken in their place would have to be given back too. */
  #counted(pipeline: string): readonly Grant[] {
    return [...this.#grants].filter(({ slot, beyond }) => slot.pipeline === pipeline && !beyond);
  }

  /** The grace begins when the lease is free, not while another worker holds it. */
  #graceLeft(slot: AssignmentSlot): number {
    const { pipeline, partition } = slot;
    const { graceMs, clock } = this.#options;
    const isHeld = this.#view?.some(({ pipelines }) => pipelines[pipeline]?.held.includes(partition.name)) ?? true;
    const freeSince = Math.max(this.#changedAt, this.#heldUntil.get(nameOf(slot)) ?? 0);
    return isHeld ? graceMs : freeSince + graceMs - clock.monotonic();
  }

  async #sleep(sleepers: Set<Sleeper>, slot: AssignmentSlot, ms: number): Promise<void> {
    const { clock, stop } = this.#options;
    if (stop.aborted) return;
    const sleeper = { slot, nudge: new AbortController() };
    sleepers.add(sleeper);
    await clock.sleep(ms, sleeper.nudge.signal);
    sleepers.delete(sleeper);
  }

  #wakeAll(): void {
    for (const { nudge } of [...this.#waiting, ...this.#resting]) nudge.abort();
  }
}

const nameOf = ({ pipeline, partition }: AssignmentSlot): string => `${pipeline} ${partition.name}`;

const toLiveWorker = ({ instance, since, pipelines }: Pick<Facts, "instance" | "since" | "pipelines">): LiveWorker => ({
  instance,
  since,
  partitions: Object.fromEntries(Object.entries(pipelines).map(([name, { partitions }]) => [name, partitions])),
});
