import type { Clock } from "../core/clock.ts";
import { getOrMake } from "../core/get-or-make.ts";
import { isBefore } from "./entry-id.ts";
import type { IdSet, KeyedStore, StoredTimer } from "./keyed-store.ts";
import { MemoryKeyed } from "./memory-keyed.ts";
import { eventsIn, type MemoryGroup, MemoryLog } from "./memory-log.ts";
import { copiedFields, replayedFields } from "./memory-replays.ts";
import { trimLog } from "./memory-trim.ts";
import { keys, outboxPrefix, outboxProducer, type Partition, replayOf } from "./partition.ts";
import type {
  Acquired,
  Appended,
  Bus,
  Commit,
  DeadLetter,
  Fence,
  Frame,
  GroupState,
  OutboxEntry,
  ReadRequest,
  ReadResult,
  Trimmed,
  TrimRequest,
  Watch,
} from "./port.ts";
import type { LetterKey, LetterMoved, Reread, RereadRequest } from "./replays.ts";

interface Lease {
  owner: string | undefined;
  until: number;
  epoch: number;
}

/** What all groups of a pipeline on the logs of one partition share. */
interface Books {
  readonly counts: Map<string, number>;
  readonly keyed: MemoryKeyed;
  readonly outbox: OutboxEntry[];
  readonly lastNumbers: Map<string, number>;
  /** Where the group of the main log begins again when somebody removes it; `undefined` before it first began. */
  floor: string | undefined;
}

/**
 * The bus in memory: the twin of the Redis driver, with the same answers, for tests on a virtual clock. It passes the same
 * contract suite. What it holds lives as long as the object.
 */
export class MemoryBus implements Bus {
  readonly #clock: Clock;
  readonly #logs = new Map<string, MemoryLog>();
  readonly #books = new Map<string, Books>();
  /** Logs whose group was removed while entries were given out. */
  readonly #unsettled = new Set<string>();
  readonly #vanished = new Map<string, number>();
  readonly #producers = new Map<string, { incarnation: number; sequence: number; at: number }>();
  readonly #deadLetters = new Map<string, DeadLetter[]>();
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
    this.#booksOf(partition, pipeline).keyed.begin();
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

  async read(fence: Fence, { from, after, count, suspects = 0 }: ReadRequest): Promise<ReadResult> {
    if (!this.#holds(fence)) return { kind: "fenced" };
    if (this.#unsettled.delete(fence.partition.log)) {
      // The group is made anew, and what was given out will be read again: whoever has it in hand has to begin anew too.
      const lease = this.#lease(fence.partition, fence.pipeline);
      lease.epoch++;
      lease.owner = undefined;
      return { kind: "fenced" };
    }
    const group = this.#group(fence.partition, fence.pipeline);
    const log = this.#log(fence.partition);
    if (from === "pending") {
      const pending = log.readPending(group, { after, count, suspects });
      return pending ? { kind: "entries", entries: pending } : { kind: "suspects" };
    }
    const entries = log.readNew(group, count);
    const events = entries.reduce((sum, entry) => sum + entry.events, 0);
    if (events > 0) increase(this.#booksOf(fence.partition, fence.pipeline).counts, "read", events);
    return { kind: "entries", entries };
  }

  async nack(fence: Fence, entries: readonly string[]): Promise<void> {
    if (!this.#holds(fence)) return;
    this.#log(fence.partition).nack(this.#group(fence.partition, fence.pipeline), entries);
  }

  async states(fence: Fence, names: readonly string[]): Promise<readonly (string | null)[] | "fenced"> {
    if (!this.#holds(fence)) return "fenced";
    const { keyed } = this.#booksOf(fence.partition, fence.pipeline);
    return names.map((name) => keyed.state(name));
  }

  async timers(fence: Fence, page: Parameters<KeyedStore["timers"]>[1]): Promise<readonly StoredTimer[] | "fenced"> {
    return this.#holds(fence) ? this.#booksOf(fence.partition, fence.pipeline).keyed.timers(page) : "fenced";
  }

  async seen(fence: Fence, wanted: readonly IdSet[]): Promise<readonly (readonly boolean[])[] | "fenced"> {
    if (!this.#holds(fence)) return "fenced";
    const { keyed } = this.#booksOf(fence.partition, fence.pipeline);
    return wanted.map((ids) => keyed.seen(ids, this.#clock.now()));
  }

  async peek(partition: Partition, pipeline: string, name: string): Promise<string | null> {
    return this.#booksOf(partition, pipeline).keyed.state(name);
  }

  async commit(fence: Fence, commit: Commit): Promise<"committed" | "fenced"> {
    if (!this.#holds(fence)) return "fenced";
    const { partition, pipeline } = fence;
    const { entries, counts, deadLetters, keyed, derived, floor } = commit;
    const group = this.#group(partition, pipeline);
    const log = this.#log(partition);
    const books = this.#booksOf(partition, pipeline);
    if (keyed && !books.keyed.takes(keyed)) return "committed";
    const acked = entries.filter((id) => group.pending.delete(id)).length;
    if (entries.length > 0 && acked === 0) return "committed";
    if (floor !== undefined) books.floor = floor;
    for (const [counter, count] of Object.entries(counts)) increase(books.counts, counter, count);
    const letters = this.#lettersOf(partition);
    for (const draft of deadLetters) {
      const fields = draft.original === undefined ? namedFields(log.fieldsOf(draft.entry)) : [];
      const at = new Date(this.#clock.now()).toISOString();
      letters.push({ ...draft, id: this.#nextId(), pipeline, partition: partition.name, at, fields });
    }
    if (partition.side === "replay") log.remove(entries);
    if (keyed) books.keyed.write(keyed, this.#clock.now());
    for (const { to, frame } of derived) {
      const sequence = (books.lastNumbers.get(to.log) ?? -1) + 1;
      books.lastNumbers.set(to.log, sequence);
      const numbered = { ...frame, producer: outboxProducer(partition, pipeline), incarnation: 1, sequence };
      books.outbox.push({ id: this.#nextId(), to, frame: numbered });
    }
    return "committed";
  }

  async tellVanished(partition: Partition, events: number): Promise<void> {
    increase(this.#vanished, keys.meta(partition), events);
  }

  async outbox(partition: Partition, pipeline: string, count: number): Promise<readonly OutboxEntry[]> {
    return this.#booksOf(partition, pipeline).outbox.slice(0, count);
  }

  async relayed(partition: Partition, pipeline: string, ids: readonly string[]): Promise<void> {
    const { outbox } = this.#booksOf(partition, pipeline);
    for (const id of ids) {
      const place = outbox.findIndex((entry) => entry.id === id);
      if (place >= 0) outbox.splice(place, 1);
    }
  }

  async append(partition: Partition, frame: Frame): Promise<Appended> {
    const { producer, incarnation, sequence, count, codec, minTime, maxTime, checksum, body } = frame;
    const name = `${keys.producers(partition)}\n${producer}`;
    const known = this.#producers.get(name);
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
    this.#producers.set(name, { incarnation, sequence, at: this.#clock.now() });
    return { kind: "stored", entry };
  }

  async checkDurability(): Promise<void> {}

  /** What another program's XADD does. */
  appendPlain(partition: Partition, fields: Readonly<Record<string, string | number | Buffer>>): string {
    const flat = Object.entries(fields).flatMap(([name, value]) => [
      Buffer.from(name),
      Buffer.isBuffer(value) ? value : Buffer.from(String(value)),
    ]);
    return this.#add(partition, flat);
  }

  /** What an XRANGE over the whole log does. */
  entriesOf(partition: Partition): readonly { readonly id: string; readonly fields: readonly Buffer[] }[] {
    const log = this.#log(partition);
    return log.ids.map((id) => ({ id, fields: log.fieldsOf(id) ?? [] }));
  }

  /** What an operator's XDEL or XTRIM does. */
  removeEntries(partition: Partition, ids: readonly string[]): void {
    this.#log(partition).remove(ids);
  }

  /** What an operator's XGROUP DESTROY does. What was given out and not settled will be read again: it no longer counts as read. */
  removeGroup(partition: Partition, pipeline: string): void {
    const flight = this.#log(partition).removeGroup(pipeline);
    if (flight === 0) return;
    increase(this.#booksOf(partition, pipeline).counts, "read", -flight);
    this.#unsettled.add(partition.log);
  }

  async trim(partition: Partition, request: TrimRequest): Promise<Trimmed> {
    return trimLog(this.#log(partition), request, this.#clock.now());
  }

  async forgetProducers(partition: Partition, silentMs: number): Promise<number> {
    const prefix = `${keys.producers(partition)}\n`;
    const silent = [...this.#producers].filter(
      ([name, { at }]) =>
        name.startsWith(prefix) && !name.startsWith(outboxPrefix, prefix.length) && this.#clock.now() - at > silentMs,
    );
    for (const [name] of silent) this.#producers.delete(name);
    return silent.length;
  }

  async wait(watches: readonly Watch[], timeoutMs: number, signal: AbortSignal): Promise<void> {
    const rings = () => watches.some(({ partition, after }) => this.#log(partition).ids.some((id) => isBefore(after, id)));
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
    const logs = [partition, replayOf(partition, pipeline)].map((one) => {
      const log = this.#log(one);
      return { log, group: log.group(pipeline) };
    });
    const given = logs.flatMap(({ group }) => [...(group?.pending.values() ?? [])]);
    const oldest = logs.flatMap(({ log, group }) => log.oldest(group) ?? []);
    return {
      owner,
      epoch,
      pendingEntries: given.length,
      pendingEvents: given.reduce((sum, { events }) => sum + events, 0),
      lagEntries: logs.reduce((sum, { log, group }) => sum + log.lag(group), 0),
      oldest: oldest.length === 0 ? undefined : Math.min(...oldest.map((id) => Number(id.split("-")[0]))),
      lastDelivered: this.#log(partition).group(pipeline)?.lastDelivered ?? "0-0",
      counts: Object.fromEntries(this.#booksOf(partition, pipeline).counts),
      vanished: this.#vanished.get(keys.meta(partition)) ?? 0,
      lost: this.#log(partition).lost(this.#log(partition).group(pipeline)),
    };
  }

  async *deadLetters(partition: Partition): AsyncIterable<DeadLetter> {
    yield* [...this.#lettersOf(partition)];
  }

  async replayDeadLetter(partition: Partition, { id, pipeline }: LetterKey): Promise<LetterMoved> {
    const letter = this.#lettersOf(partition).find((one) => one.id === id);
    if (!letter) return { kind: "gone" };
    const fields = replayedFields(partition.log, letter);
    if (!fields) return { kind: "empty" };
    this.#add(replayOf(partition, pipeline), fields);
    this.#removeLetter(partition, letter);
    increase(this.#booksOf(partition, pipeline).counts, "replayed", eventsIn(fields));
    return { kind: "moved", events: eventsIn(fields) };
  }

  async discardDeadLetter(partition: Partition, { id, pipeline }: LetterKey): Promise<"discarded" | "gone"> {
    const letter = this.#lettersOf(partition).find((one) => one.id === id);
    if (!letter) return "gone";
    this.#removeLetter(partition, letter);
    increase(this.#booksOf(partition, pipeline).counts, "discarded", eventsIn(replayedFields(partition.log, letter)));
    return "discarded";
  }

  async reread(partition: Partition, pipeline: string, { from, until, count, dryRun }: RereadRequest): Promise<Reread> {
    const log = this.#log(partition);
    const fits = (id: string) => !isBefore(until, id) && (isBefore(from.id, id) || (from.inclusive && id === from.id));
    const page = log.ids.filter(fits).slice(0, count);
    const events = page.reduce((sum, id) => sum + eventsIn(log.fieldsOf(id)), 0);
    if (!dryRun && page.length > 0) {
      for (const id of page) this.#add(replayOf(partition, pipeline), copiedFields(partition.log, id, log.fieldsOf(id)));
      increase(this.#booksOf(partition, pipeline).counts, "reread", events);
    }
    return { entries: page.length, events, last: page.at(-1) };
  }

  async replayBacklog(partition: Partition, pipeline: string): Promise<number> {
    return this.#log(replayOf(partition, pipeline)).ids.length;
  }

  async close(): Promise<void> {}

  #holds({ partition, pipeline, owner, epoch }: Fence): boolean {
    const lease = this.#lease(partition, pipeline);
    return lease.owner === owner && lease.epoch === epoch;
  }

  #add(partition: Partition, fields: readonly Buffer[]): string {
    const id = this.#nextId();
    this.#log(partition).add(id, fields);
    for (const listener of this.#listeners) listener();
    return id;
  }

  #lettersOf(partition: Partition): DeadLetter[] {
    return getOrMake(this.#deadLetters, keys.deadLetters(partition), () => []);
  }

  #removeLetter(partition: Partition, letter: DeadLetter): void {
    const letters = this.#lettersOf(partition);
    letters.splice(letters.indexOf(letter), 1);
  }

  #lease(partition: Partition, pipeline: string): Lease {
    return getOrMake(this.#leases, keys.lease(partition, pipeline), () => ({ owner: undefined, until: 0, epoch: 0 }));
  }

  #log({ log, adopted, side }: Partition): MemoryLog {
    return getOrMake(this.#logs, log, () => new MemoryLog(!adopted || side === "replay"));
  }

  #booksOf(partition: Partition, pipeline: string): Books {
    return getOrMake(this.#books, keys.ledger(partition, pipeline), () => ({
      counts: new Map(),
      keyed: new MemoryKeyed(),
      outbox: [],
      lastNumbers: new Map(),
      floor: undefined,
    }));
  }

  /** The group; one that somebody removed begins again behind what is settled. */
  #group(partition: Partition, pipeline: string): MemoryGroup {
    const log = this.#log(partition);
    const known = log.group(pipeline);
    if (known) return known;
    const books = this.#booksOf(partition, pipeline);
    if (partition.side === "replay") return log.begin(pipeline, "0-0");
    books.floor ??= "0-0";
    return log.begin(pipeline, books.floor);
  }

  /** Ids grow even where the clock stands still. */
  #nextId(): string {
    const now = Math.max(this.#clock.now(), this.#lastMs);
    this.#sequence = now === this.#lastMs ? this.#sequence + 1 : 0;
    this.#lastMs = now;
    return `${now}-${this.#sequence}`;
  }
}

function namedFields(fields: readonly Buffer[] = []): readonly (readonly [string, Buffer])[] {
  return Array.from({ length: fields.length / 2 }, (_, i) => [String(fields[2 * i]), fields[2 * i + 1] as Buffer]);
}

function increase(counts: Map<string, number>, counter: string, by: number): void {
  counts.set(counter, (counts.get(counter) ?? 0) + by);
}
