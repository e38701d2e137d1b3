import type { Clock } from "../core/clock.ts";
import { isBefore } from "./entry-id.ts";
import { announcedEvents, isFrame } from "./frame.ts";
import { copiedFields, replayedFields } from "./memory-replays.ts";
import { keys, type Partition, replayOf } from "./partition.ts";
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
import type { LetterKey, LetterMoved, Reread, RereadRequest } from "./replays.ts";

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
  // Beside the logs, since a log and its replay logs share them.
  readonly #counts = new Map<string, Map<string, number>>();
  readonly #states = new Map<string, Map<string, string>>();
  readonly #deadLetters = new Map<string, DeadLetter[]>();
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
    if (known && incarnation < known.incarnation) return { kind: "duplicate" };
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

  /** What another program's XADD does. */
  appendPlain(partition: Partition, fields: Readonly<Record<string, string | number | Buffer>>): string {
    const flat = Object.entries(fields).flatMap(([name, value]) => [
      Buffer.from(name),
      Buffer.isBuffer(value) ? value : Buffer.from(String(value)),
    ]);
    return this.#add(partition, flat);
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
    const { owner, epoch } = this.#lease(partition, pipeline);
    const { lastDelivered, counts } = this.#group(partition, pipeline);
    const logs = partition.log === replayOf(partition, pipeline).log ? [partition] : [partition, replayOf(partition, pipeline)];
    const pending = logs.flatMap((log) =>
      [...this.#group(log, pipeline).pending].map((id) => this.#log(log).entries.get(id) ?? { id, fields: undefined }),
    );
    const waiting = logs.flatMap((log) => {
      const { lastDelivered: delivered } = this.#group(log, pipeline);
      return [...this.#log(log).entries.keys()].filter((id) => isBefore(delivered, id));
    });
    const oldest = pending.map(({ id }) => id).sort((a, b) => (isBefore(a, b) ? -1 : 1))[0] ?? waiting[0];
    return {
      owner,
      epoch,
      pendingEntries: pending.length,
      pendingEvents: pending.reduce((sum, entry) => sum + eventsIn(entry), 0),
      lagEntries: waiting.length,
      oldest: oldest === undefined ? undefined : Number(oldest.split("-")[0]),
      lastDelivered,
      counts: Object.fromEntries(counts),
    };
  }

  async *deadLetters(partition: Partition): AsyncIterable<DeadLetter> {
    yield* [...this.#log(partition).deadLetters];
  }

  async replayDeadLetter(partition: Partition, { id, pipeline }: LetterKey): Promise<LetterMoved> {
    const letter = this.#log(partition).deadLetters.find((one) => one.id === id);
    if (!letter) return { kind: "gone" };
    const fields = replayedFields(partition.log, letter);
    if (!fields) return { kind: "empty" };
    const entry = this.#add(replayOf(partition, pipeline), fields);
    const events = eventsIn({ id: entry, fields });
    this.#removeLetter(partition, letter);
    increase(this.#group(partition, pipeline).counts, "replayed", events);
    return { kind: "moved", events };
  }

  async discardDeadLetter(partition: Partition, { id, pipeline }: LetterKey): Promise<"discarded" | "gone"> {
    const letter = this.#log(partition).deadLetters.find((one) => one.id === id);
    if (!letter) return "gone";
    const fields = letter.original === undefined ? replayedFields(partition.log, letter) : undefined;
    this.#removeLetter(partition, letter);
    increase(this.#group(partition, pipeline).counts, "discarded", eventsIn({ id, fields }));
    return "discarded";
  }

  async reread(partition: Partition, pipeline: string, { from, until, count, dryRun }: RereadRequest): Promise<Reread> {
    const fits = (id: string) => !isBefore(until, id) && (isBefore(from.id, id) || (from.inclusive && id === from.id));
    const page = [...this.#log(partition).entries.values()].filter(({ id }) => fits(id)).slice(0, count);
    const events = page.reduce((sum, entry) => sum + eventsIn(entry), 0);
    if (!dryRun && page.length > 0) {
      for (const entry of page) this.#add(replayOf(partition, pipeline), copiedFields(partition.log, entry));
      increase(this.#group(partition, pipeline).counts, "reread", events);
    }
    return { entries: page.length, events, last: page.at(-1)?.id };
  }

  async trimReplay(partition: Partition, pipeline: string): Promise<number> {
    const { entries } = this.#log(replayOf(partition, pipeline));
    const { pending, lastDelivered } = this.#group(replayOf(partition, pipeline), pipeline);
    const [first] = [...pending].sort((a, b) => (isBefore(a, b) ? -1 : 1));
    for (const id of entries.keys()) {
      if (first === undefined ? !isBefore(lastDelivered, id) : isBefore(id, first)) entries.delete(id);
    }
    return entries.size;
  }

  async close(): Promise<void> {}

  #holds({ partition, pipeline, owner, epoch }: Fence): boolean {
    const lease = this.#lease(partition, pipeline);
    return lease.owner === owner && lease.epoch === epoch;
  }

  #add(partition: Partition, fields: readonly Buffer[]): string {
    const id = this.#nextId();
    this.#log(partition).entries.set(id, { id, fields });
    for (const listener of this.#listeners) listener();
    return id;
  }

  #removeLetter(partition: Partition, letter: DeadLetter): void {
    const { deadLetters } = this.#log(partition);
    deadLetters.splice(deadLetters.indexOf(letter), 1);
  }

  #lease(partition: Partition, pipeline: string): Lease {
    return getOrMake(this.#leases, keys.lease(partition, pipeline), () => ({ owner: undefined, until: 0, epoch: 0 }));
  }

  #log(partition: Partition): Log {
    return getOrMake(this.#logs, partition.log, () => ({
      entries: new Map(),
      groups: new Map(),
      producers: new Map(),
      deadLetters: getOrMake(this.#deadLetters, keys.deadLetters(partition), () => []),
    }));
  }

  #group(partition: Partition, pipeline: string): Group {
    return getOrMake(this.#log(partition).groups, pipeline, () => ({
      lastDelivered: "0-0",
      pending: new Set(),
      counts: getOrMake(this.#counts, keys.ledger(partition, pipeline), () => new Map()),
      states: getOrMake(this.#states, keys.states(partition, pipeline), () => new Map()),
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
