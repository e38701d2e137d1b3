import type { Clock } from "../../core/clock.ts";
import { getOrMake } from "../../core/get-or-make.ts";
import { keys, type Partition } from "../partition.ts";
import type { DeadLetter, FrameLink, OutboxEntry, OwnerCounts } from "../port.ts";
import { MemoryKeyed } from "./keyed.ts";
import { type MemoryGroup, MemoryLog } from "./log.ts";
import { MemoryNames } from "./names.ts";

export interface MemoryLease {
  owner: string | undefined;
  until: number;
  ttlMs: number;
  epoch: number;
  tenure: number;
  /** What the present owner has made and was given. */
  commits: number;
  reads: number;
  /** The last commit. */
  made: string;
  /** The tenure before, and what its owner had when it ended. */
  past: (OwnerCounts & { readonly tenure: number }) | undefined;
}

/** The last frame that a log has of an outbox, or an outbox for a log. */
export interface LastFrame extends FrameLink {
  /** Events in all frames up to it. */
  readonly sum: number;
  /** The tenure of the owner that has stored it behind another one than it names. */
  readonly by: number;
}

/** What all groups of a pipeline on the logs of one partition share. */
export interface GroupData {
  readonly counts: Map<string, number>;
  readonly keyed: MemoryKeyed;
  readonly names: MemoryNames;
  readonly outbox: OutboxEntry[];
  /** The last frame for each log. */
  readonly lastFrames: Map<string, LastFrame>;
  /** Where the group of the main log begins again when somebody removes it; `undefined` before it first began. */
  checkpoint: string | undefined;
}

/** What the twin in memory holds, under the keys that the driver has in Redis. */
export class MemoryStore {
  readonly clock: Clock;
  /** Logs whose group was removed while entries were given out. */
  readonly unsettled = new Map<string, true>();
  readonly vanished = new Map<string, number>();
  readonly producers = new Map<string, { incarnation: number; sequence: number; at: number }>();
  /** By log and outbox. */
  readonly relayed = new Map<string, LastFrame>();
  /** Called when a log may have something new. */
  readonly listeners = new Set<() => void>();
  readonly #logs = new Map<string, MemoryLog>();
  readonly #data = new Map<string, GroupData>();
  readonly #deadLetters = new Map<string, DeadLetter[]>();
  readonly #leases = new Map<string, MemoryLease>();
  readonly #strays = new Map<string, Set<string>>();
  #lastMs = 0;
  #sequence = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  lease(partition: Partition, pipeline: string): MemoryLease {
    return getOrMake(this.#leases, keys.lease(partition, pipeline), () => ({
      owner: undefined,
      until: 0,
      ttlMs: 0,
      epoch: 0,
      tenure: 0,
      commits: 0,
      reads: 0,
      made: "",
      past: undefined,
    }));
  }

  log({ log, adopted, side }: Partition): MemoryLog {
    return getOrMake(this.#logs, log, () => new MemoryLog(!adopted || side === "replay"));
  }

  dataOf(partition: Partition, pipeline: string): GroupData {
    return getOrMake(this.#data, keys.ledger(partition, pipeline), () => ({
      counts: new Map(),
      keyed: new MemoryKeyed(),
      names: new MemoryNames(),
      outbox: [],
      lastFrames: new Map(),
      checkpoint: undefined,
    }));
  }

  straysIn(to: Partition, producer: string): Set<string> {
    return getOrMake(this.#strays, keys.strays(to, producer), () => new Set());
  }

  letters(partition: Partition): DeadLetter[] {
    return getOrMake(this.#deadLetters, keys.deadLetters(partition), () => []);
  }

  /** The group; one that somebody removed begins again behind what is settled. */
  group(partition: Partition, pipeline: string): MemoryGroup {
    const log = this.log(partition);
    const known = log.group(pipeline);
    if (known) return known;
    const data = this.dataOf(partition, pipeline);
    if (partition.side === "replay") return log.begin(pipeline, "0-0");
    data.checkpoint ??= "0-0";
    return log.begin(pipeline, data.checkpoint);
  }

  /** Appends an entry to a log, and tells whoever waits. */
  add(partition: Partition, fields: readonly Buffer[]): string {
    const id = this.nextId();
    this.log(partition).add(id, fields);
    this.#notify();
    return id;
  }

  /** Ids grow even where the clock stands still. */
  nextId(): string {
    const now = Math.max(this.clock.now(), this.#lastMs);
    this.#sequence = now === this.#lastMs ? this.#sequence + 1 : 0;
    this.#lastMs = now;
    return `${now}-${this.#sequence}`;
  }

  /** Returns what brings the keys that begin so back to what they are now. */
  snapshot(prefix: string): () => void {
    const maps = this.#maps().map((map) => ({ map, kept: new Map([...map].filter(([key]) => key.startsWith(prefix))) }));
    const copies = maps.map(({ map, kept }) => ({ map, kept: copied(kept) }));
    return () => {
      for (const { map, kept } of copies) {
        for (const key of map.keys()) if (key.startsWith(prefix)) map.delete(key);
        for (const [key, value] of copied(kept)) map.set(key, value);
      }
      this.#notify();
    };
  }

  #maps(): readonly Map<string, unknown>[] {
    return [
      ...[this.#logs, this.#data, this.#deadLetters, this.#leases, this.#strays],
      ...[this.vanished, this.producers, this.relayed, this.unsettled],
    ];
  }

  #notify(): void {
    for (const listener of this.listeners) listener();
  }
}

export function increase(counts: Map<string, number>, counter: string, by: number): number {
  const count = (counts.get(counter) ?? 0) + by;
  counts.set(counter, count);
  return count;
}

const copied = (kept: ReadonlyMap<string, unknown>): ReadonlyMap<string, unknown> =>
  new Map([...kept].map(([key, value]) => [key, copyOf(value)]));

function copyOf(value: unknown): unknown {
  if (value instanceof MemoryLog || value instanceof MemoryKeyed || value instanceof MemoryNames) return value.copy();
  if (value instanceof Map) return new Map(value);
  if (value instanceof Set) return new Set(value);
  if (Array.isArray(value)) return [...value];
  // Leases and books: their own parts are copied, what those hold is never changed in place.
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, copyOf(part)]));
  return value;
}
