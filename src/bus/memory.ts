import type { Clock } from "../core/clock.ts";
import { isBefore } from "./entry-id.ts";
import { announcedEvents, isFrame } from "./frame.ts";
import { keys, type Partition } from "./partition.ts";
import type {
  Acquired,
  Appended,
  Bus,
  Commit,
  DeadLetter,
  Entry,
  Fence,
  Frame,
  GroupState,
  ReadRequest,
  ReadResult,
  Watch,
} from "./port.ts";

interface Lease {
  owner: string | undefined;
  until: number;
  epoch: number;
}

interface Group {
  lastDelivered: string;
  readonly pending: Set<string>;
  readonly counts: Map<string, number>;
  readonly states: Map<string, string>;
}

interface Log {
  readonly entries: Map<string, Entry>;
  readonly groups: Map<string, Group>;
  readonly producers: Map<string, { incarnation: number; sequence: number }>;
  readonly deadLetters: DeadLetter[];
}

/**
 * The bus in memory: the twin of the Redis driver, with the same answers, for tests on a virtual clock. It passes the same
 * contract suite. What it holds lives as long as the object.
 */
export class MemoryBus implements Bus {
  readonly #clock: Clock;
  readonly #logs = new Map<string, Log>();
  readonly #leases = new Map<string, Lease>();
  readonly #listeners = new Set<() => void>();
  #lastMs = 0;
  #sequence = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async acquire(
    partition: Partition,
    pipeline: string,
    { owner, ttlMs }: { readonly owner: string; readonly ttlMs: number },
  ): Promise<Acquired> {
    const now = this.#clock.now();
    const lease = this.#lease(partition, pipeline);
    if (lease.owner !== undefined && lease.owner !== owner && lease.until > now) {
      return { kind: "taken", owner: lease.owner, leftMs: lease.until - now };
    }
    lease.epoch++;
    lease.owner = owner;
    lease.until = now + ttlMs;
    return { kind: "owned", epoch: lease.epoch, lastDelivered: this.#group(partition, pipeline).lastDelivered };
  }

  async renew(fence: Fence, ttlMs: number): Promise<boolean> {
    if (!this.#holds(fence)) return false;
    this.#lease(fence.partition, fence.pipeline).until = this.#clock.now() + ttlMs;
    return true;
  }

  async release(fence: Fence): Promise<void> {
    if (this.#holds(fence)) this.#lease(fence.partition, fence.pipeline).owner = undefined;
  }

  async read(fence: Fence, { from, after, count }: ReadRequest): Promise<ReadResult> {
    if (!this.#holds(fence)) return { kind: "fenced" };
    const group = this.#group(fence.partition, fence.pipeline);
    const { entries } = this.#log(fence.partition);
    if (from === "pending") {
      const ids = [...group.pending].filter((id) => isBefore(after, id)).sort((a, b) => (isBefore(a, b) ? -1 : 1));
      return { kind: "entries", entries: ids.slice(0, count).map((id) => entries.get(id) ?? { id, fields: undefined }) };
    }
    const fresh = [...entries.values()].filter(({ id }) => isBefore(group.lastDelivered, id)).slice(0, count);
    for (const { id } of fresh) group.pending.add(id);
    group.lastDelivered = fresh.at(-1)?.id ?? group.lastDelivered;
    if (fresh.length > 0)
      increase(
        group.counts,
        "read",
        fresh.reduce((sum, entry) => sum + eventsIn(entry), 0),
      );
    return { kind: "entries", entries: fresh };
  }

  async states(partition: Partition, pipeline: string, names: readonly string[]): Promise<readonly (string | null)[]> {
    const { states } = this.#group(partition, pipeline);
    return names.map((name) => states.get(name) ?? null);
  }

  async commit(fence: Fence, { entries, counts, deadLetters, states }: Commit): Promise<"committed" | "fenced"> {
    if (!this.#holds(fence)) return "fenced";
    const { partition, pipeline } = fence;
    const group = this.#group(partition, pipeline);
    const log = this.#log(partition);
    const acked = entries.filter((id) => group.pending.delete(id)).length;
    if (entries.length > 0 && acked === 0) return "committed";
    for (const [counter, count] of Object.entries(counts)) increase(group.counts, counter, count);
    for (const draft of deadLetters) {
      const fields = draft.original === undefined ? namedFields(log.entries.get(draft.entry)) : [];
      log.deadLetters.push({
        ...draft,
        id: this.#nextId(),
        pipeline,
        partition: partition.name,
        at: new Date(this.#clock.now()).toISOString(),
        fields,
      });
    }
    for (const [name, json] of states) group.states.set(name, json);
    return "committed";
  }

  async append(partition: Partition, frame: Frame): Promise<Appended> {
    const { producer, incarnation, sequence, count, codec, minTime, maxTime, checksum, body } = frame;
    const { producers } = this.#log(partition);
    const known = producers.get(producer);
    if (known && incarnation < known.incarnation) return { kind: "superseded", incarnation: known.incarnation };
    const last = known && known.incarnation === incarnation ? known.sequence : -1;
    if (sequence <= last) return { kind: "duplicate" };
    if (sequence > last + 1) return { kind: "gap", last };
    const fields = {
      v: "1",
      pid: producer,
      inc: incarnation,
      fs: sequence,
      n: count,
      c: codec,
      t0: minTime,
      t1: maxTime,
      h: checksum,
    };
    const entry = this.appendPlain(partition, { ...fields, d: body });
    producers.set(producer, { incarnation, sequence });
    return { kind: "stored", entry };
  }

  async checkDurability(): Promise<void> {}

  /** What another program's XADD does. */
  appendPlain(partition: Partition, fields: Readonly<Record<string, string | number | Buffer>>): string {
    const id = this.#nextId();
    const flat = Object.entries(fields).flatMap(([name, value]) => [
      Buffer.from(name),
      Buffer.isBuffer(value) ? value : Buffer.from(String(value)),
    ]);
    this.#log(partition).entries.set(id, { id, fields: flat });
    for (const listener of this.#listeners) listener();
    return id;
  }

  async wait(watches: readonly Watch[], timeoutMs: number, signal: AbortSignal): Promise<void> {
    const rings = () =>
      watches.some(({ partition, after }) => [...this.#log(partition).entries.keys()].some((id) => isBefore(after, id)));
    if (rings()) return;
    const heard = new AbortController();
    const listener = () => {
      if (rings()) heard.abort();
    };
    this.#listeners.add(listener);
    await this.#clock.sleep(timeoutMs, AbortSignal.any([signal, heard.signal]));
    this.#listeners.delete(listener);
  }

  async state(partition: Partition, pipeline: string): Promise<GroupState> {
    const { entries } = this.#log(partition);
    const { owner, epoch } = this.#lease(partition, pipeline);
    const { pending, lastDelivered, counts } = this.#group(partition, pipeline);
    const waiting = [...entries.keys()].filter((id) => isBefore(lastDelivered, id));
    const oldest = [...pending].sort((a, b) => (isBefore(a, b) ? -1 : 1))[0] ?? waiting[0];
    return {
      owner,
      epoch,
      pendingEntries: pending.size,
      pendingEvents: [...pending].reduce((sum, id) => sum + eventsIn(entries.get(id)), 0),
      lagEntries: waiting.length,
      oldest: oldest === undefined ? undefined : Number(oldest.split("-")[0]),
      counts: Object.fromEntries(counts),
    };
  }

  async *deadLetters(partition: Partition): AsyncIterable<DeadLetter> {
    yield* this.#log(partition).deadLetters;
  }

  async close(): Promise<void> {}

  #holds({ partition, pipeline, owner, epoch }: Fence): boolean {
    const lease = this.#lease(partition, pipeline);
    return lease.owner === owner && lease.epoch === epoch;
  }

  #lease(partition: Partition, pipeline: string): Lease {
    return getOrMake(this.#leases, keys.lease(partition, pipeline), () => ({ owner: undefined, until: 0, epoch: 0 }));
  }

  #log({ log }: Partition): Log {
    return getOrMake(this.#logs, log, () => ({ entries: new Map(), groups: new Map(), producers: new Map(), deadLetters: [] }));
  }

  #group(partition: Partition, pipeline: string): Group {
    return getOrMake(this.#log(partition).groups, pipeline, () => ({
      lastDelivered: "0-0",
      pending: new Set(),
      counts: new Map(),
      states: new Map(),
    }));
  }

  /** Ids grow even where the clock stands still. */
  #nextId(): string {
    const now = Math.max(this.#clock.now(), this.#lastMs);
    this.#sequence = now === this.#lastMs ? this.#sequence + 1 : 0;
    this.#lastMs = now;
    return `${now}-${this.#sequence}`;
  }
}

function eventsIn(entry: Entry | undefined): number {
  const fields = entry?.fields;
  return fields && isFrame(fields) ? announcedEvents(fields[9]) : 1;
}

function namedFields(entry: Entry | undefined): readonly (readonly [string, Buffer])[] {
  const fields = entry?.fields ?? [];
  return Array.from({ length: fields.length / 2 }, (_, i) => [String(fields[2 * i]), fields[2 * i + 1] as Buffer]);
}

function increase(counts: Map<string, number>, counter: string, by: number): void {
  counts.set(counter, (counts.get(counter) ?? 0) + by);
}

function getOrMake<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
