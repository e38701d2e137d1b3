import { randomInt } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import { getOrMake } from "../core/get-or-make.ts";
import { linkAbort } from "../core/linked-abort.ts";
import { isBefore } from "./entry-id.ts";
import type { IdSet, KeyedStore, StoredTimer } from "./keyed-store.ts";
import { MemoryKeyed } from "./memory-keyed.ts";
import { eventsIn, type MemoryGroup, MemoryLog } from "./memory-log.ts";
import { MemoryNames } from "./memory-names.ts";
import { copiedFields, replayedFields } from "./memory-replays.ts";
import { trimLog } from "./memory-trim.ts";
import { keys, outboxPrefix, outboxProducer, type Partition, replayOf } from "./partition.ts";
import {
  type Acquired,
  type Appended,
  type Bus,
  type Commit,
  type DeadLetter,
  type Fence,
  type Frame,
  type FrameLink,
  type GroupState,
  type Links,
  type LogEntry,
  maxDeadLetterBytes,
  type OutboxEntry,
  type ReadRequest,
  type ReadResult,
  type Relayed,
  type RelayedFrame,
  type Trimmed,
  type TrimRequest,
  type VanishedOf,
  type Watch,
  type WentBack,
} from "./port.ts";
import type { LetterKey, LetterMoved, Reread, RereadRequest } from "./replays.ts";
import { vanishedOf } from "./vanished.ts";

interface Lease {
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
  past: (Links & { readonly tenure: number }) | undefined;
}

/** The last frame that a log has of an outbox, or an outbox for a log. */
interface LastFrame extends FrameLink {
  /** Events in all frames up to it. */
  readonly sum: number;
  /** The tenure of the owner that has stored it behind another one than it names. */
  readonly by: number;
}

/** What all groups of a pipeline on the logs of one partition share. */
interface Books {
  readonly counts: Map<string, number>;
  readonly keyed: MemoryKeyed;
  readonly names: MemoryNames;
  readonly outbox: OutboxEntry[];
  /** The last frame for each log. */
  readonly lastFrames: Map<string, LastFrame>;
  readonly strays: Set<string>;
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
  readonly #unsettled = new Map<string, true>();
  readonly #vanished = new Map<string, number>();
  readonly #producers = new Map<string, { incarnation: number; sequence: number; at: number }>();
  /** By log and outbox. */
  readonly #relayed = new Map<string, LastFrame>();
  readonly #deadLetters = new Map<string, DeadLetter[]>();
  readonly #leases = new Map<string, Lease>();
  readonly #listeners = new Set<() => void>();
  #lastMs = 0;
  #sequence = 0;

  readonly #deadLetterBytes: number;

  constructor(clock: Clock, { deadLetterBytes = maxDeadLetterBytes }: { readonly deadLetterBytes?: number } = {}) {
    this.#clock = clock;
    this.#deadLetterBytes = deadLetterBytes;
  }

  async acquire(
    partition: Partition,
    pipeline: string,
    { owner, ttlMs }: { readonly owner: string; readonly ttlMs: number },
  ): Promise<Acquired> {
    const now = this.#clock.now();
    const lease = this.#lease(partition, pipeline);
    if (lease.owner !== undefined && lease.owner !== owner && lease.until > now) {
      // The clock may have been put back since: nobody has a lease for longer than its TTL.
      lease.until = Math.min(lease.until, now + lease.ttlMs);
      return { kind: "taken", owner: lease.owner, leftMs: lease.until - now };
    }
    const tenure = Math.max(lease.tenure, now * 1024) + 1 + randomInt(1024);
    if (lease.tenure > 0) lease.past = { tenure: lease.tenure, commits: lease.commits, reads: lease.reads };
    Object.assign(lease, { owner, until: now + ttlMs, ttlMs, epoch: lease.epoch + 1, tenure, commits: 0, reads: 0, made: "" });
    return { kind: "owned", epoch: lease.epoch, tenure, lastDelivered: this.#group(partition, pipeline).lastDelivered };
  }

  async renew(fence: Fence, ttlMs: number): Promise<boolean> {
    if (!this.#holds(fence)) return false;
    Object.assign(this.#lease(fence.partition, fence.pipeline), { until: this.#clock.now() + ttlMs, ttlMs });
    return true;
  }

  async release(fence: Fence): Promise<void> {
    if (this.#holds(fence)) this.#lease(fence.partition, fence.pipeline).owner = undefined;
  }

  async read(fence: Fence, request: ReadRequest): Promise<ReadResult> {
    const { from, after, count, suspects = 0, known = { commits: 0, reads: 0 } } = request;
    const standing = this.#standing(fence, known);
    if (standing.kind !== "held") return standing;
    const lease = this.#lease(fence.partition, fence.pipeline);
    if (this.#unsettled.delete(fence.partition.log)) {
      // The group is made anew, and what was given out will be read again: whoever has it in hand has to begin anew too.
      dismiss(lease);
      return { kind: "fenced" };
    }
    const group = this.#group(fence.partition, fence.pipeline);
    const log = this.#log(fence.partition);
    if (from === "pending") {
      const pending = log.readPending(group, { after, count, suspects });
      return pending ? { kind: "entries", entries: pending, reads: lease.reads } : { kind: "suspects" };
    }
    const entries = log.readNew(group, count);
    if (entries.length > 0) lease.reads++;
    const events = entries.reduce((sum, entry) => sum + entry.events, 0);
    if (events > 0) increase(this.#booksOf(fence.partition, fence.pipeline).counts, "read", events);
    return { kind: "entries", entries, reads: lease.reads };
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

  async names(fence: Fence, pages: number) {
    return this.#holds(fence) ? this.#booksOf(fence.partition, fence.pipeline).names.read(pages, this.#clock.now()) : "fenced";
  }

  async peek(partition: Partition, pipeline: string, name: string): Promise<string | null> {
    return this.#booksOf(partition, pipeline).keyed.state(name);
  }

  async commit(fence: Fence, commit: Commit): Promise<"committed" | "fenced" | WentBack> {
    const { partition, pipeline } = fence;
    const { entries, counts, deadLetters, keyed, derived, floor, number, reads } = commit;
    const standing = this.#standing(fence, { commits: number - 1, reads });
    if (standing.kind !== "held") return standing.kind === "fenced" ? "fenced" : standing;
    const lease = this.#lease(partition, pipeline);
    const content = entries.length > 0 || !keyed ? entries.join(" ") : keyed.states.bytes.toString("latin1");
    if (lease.commits === number && lease.made === content) return "committed";
    const group = this.#group(partition, pipeline);
    const log = this.#log(partition);
    const books = this.#booksOf(partition, pipeline);
    if (lease.commits >= number || entries.some((id) => !group.pending.has(id))) {
      dismiss(lease);
      return { kind: "went-back", left: { commits: lease.commits, reads: lease.reads } };
    }
    lease.commits = number;
    lease.made = content;
    for (const id of entries) group.pending.delete(id);
    if (floor !== undefined) books.floor = floor;
    for (const [counter, count] of Object.entries(counts)) increase(books.counts, counter, count);
    const letters = this.#lettersOf(partition);
    let room = deadLetters.length > 0 ? this.#deadLetterBytes - letters.reduce((sum, letter) => sum + sizeOf(letter), 0) : 0;
    for (const draft of deadLetters) {
      const fields = draft.original === undefined ? namedFields(log.fieldsOf(draft.entry)) : [];
      const at = new Date(this.#clock.now()).toISOString();
      const letter = { ...draft, id: this.#nextId(), pipeline, partition: partition.name, at, fields };
      const bytes = sizeOf(letter);
      if (bytes > room) increase(books.counts, "notKept", 1);
      else {
        room -= bytes;
        letters.push(letter);
      }
    }
    if (partition.side === "replay") log.remove(entries);
    if (keyed) books.keyed.write(keyed, this.#clock.now());
    if (commit.names) books.names.write(commit.names, this.#clock.now());
    for (const { to, frame } of derived) {
      const last = books.lastFrames.get(to.log);
      const [incarnation, sequence, sum] = [fence.tenure, last ? last.sequence + 1 : 0, last?.sum ?? 0];
      books.lastFrames.set(to.log, { incarnation, sequence, sum: sum + frame.count, by: 0 });
      const numbered = { ...frame, producer: outboxProducer(partition, pipeline), incarnation, sequence };
      books.outbox.push({ id: this.#nextId(), to, frame: numbered, after: last && linkOf(last), sum });
    }
    return "committed";
  }

  async tellVanished(partition: Partition, events: number, by?: VanishedOf): Promise<void> {
    if (by) increase(this.#booksOf(partition, by.pipeline).counts, `vanished:${by.kind}`, events);
    else increase(this.#vanished, keys.meta(partition), events);
  }

  async count(partition: Partition, from: string, to: string): Promise<number> {
    return this.#log(partition).ids.filter((id) => !isBefore(id, from) && !isBefore(to, id)).length;
  }

  async newest(
    partition: Partition,
    { before, count }: { readonly before: string | undefined; readonly count: number },
  ): Promise<readonly LogEntry[]> {
    const entries = this.entriesOf(partition).filter(({ id }) => before === undefined || isBefore(id, before));
    return entries.reverse().slice(0, count);
  }

  async outbox(
    partition: Partition,
    pipeline: string,
    { after = "0-0", count }: { readonly after?: string; readonly count: number },
  ): Promise<readonly OutboxEntry[]> {
    return this.#booksOf(partition, pipeline)
      .outbox.filter(({ id }) => isBefore(after, id))
      .slice(0, count);
  }

  async relay({ to, frame, after, sum, without, tenure, instead }: RelayedFrame): Promise<Relayed> {
    const name = `${keys.producers(to)}\n${frame.producer}`;
    const last = this.#relayed.get(name);
    if (isSame(last, linkOf(frame))) return { kind: "duplicate" };
    if (!isSame(last, after)) {
      if (Math.max(last?.by ?? 0, last?.incarnation ?? 0) > tenure) return { kind: "superseded" };
      if (!instead || !isSame(last, instead.last)) return { kind: "unlinked", last: last && { ...linkOf(last), sum: last.sum } };
      increase(this.#vanished, keys.meta(to), instead.vanished);
    }
    const by = isSame(last, after) ? (last?.by ?? 0) : tenure;
    if (frame.count > 0) this.appendPlain(to, fieldsOf(frame));
    this.#relayed.set(name, { ...linkOf(frame), sum: sum + frame.count + without, by });
    return { kind: "stored" };
  }

  async rememberStrays(partition: Partition, pipeline: string, ids: readonly string[]): Promise<void> {
    for (const id of ids) this.#booksOf(partition, pipeline).strays.add(id);
  }

  async strays(partition: Partition, pipeline: string): Promise<ReadonlySet<string>> {
    return new Set(this.#booksOf(partition, pipeline).strays);
  }

  async relayed(partition: Partition, pipeline: string, ids: readonly string[]): Promise<void> {
    const { outbox } = this.#booksOf(partition, pipeline);
    for (const id of ids) {
      const place = outbox.findIndex((entry) => entry.id === id);
      if (place >= 0) outbox.splice(place, 1);
    }
  }

  async append(partition: Partition, frame: Frame): Promise<Appended> {
    const { producer, incarnation, sequence } = frame;
    const name = `${keys.producers(partition)}\n${producer}`;
    const known = this.#producers.get(name);
    if (known && incarnation < known.incarnation) return { kind: "superseded", incarnation: known.incarnation };
    const last = known && known.incarnation === incarnation ? known.sequence : -1;
    if (sequence <= last) return { kind: "duplicate" };
    if (sequence > last + 1) return { kind: "gap", last };
    const entry = this.appendPlain(partition, fieldsOf(frame));
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

  /**
   * What a crash before the log was on disk, a replica that lagged, or a copy that is put back does: returns what brings the keys that
   * begin so back to what they are now. Clients go on as if nothing had happened.
   */
  snapshot(prefix = ""): () => void {
    const maps = this.#maps().map((map) => ({ map, kept: new Map([...map].filter(([key]) => key.startsWith(prefix))) }));
    const copies = maps.map(({ map, kept }) => ({ map, kept: copied(kept) }));
    return () => {
      for (const { map, kept } of copies) {
        for (const key of map.keys()) if (key.startsWith(prefix)) map.delete(key);
        for (const [key, value] of copied(kept)) map.set(key, value);
      }
      for (const listener of this.#listeners) listener();
    };
  }

  #maps(): readonly Map<string, unknown>[] {
    return [
      ...[this.#logs, this.#books, this.#vanished, this.#producers, this.#relayed, this.#deadLetters, this.#leases],
      this.#unsettled,
    ];
  }

  /** What an operator's XGROUP DESTROY does. What was given out and not settled will be read again: it no longer counts as read. */
  removeGroup(partition: Partition, pipeline: string): void {
    const flight = this.#log(partition).removeGroup(pipeline);
    if (flight === 0) return;
    increase(this.#booksOf(partition, pipeline).counts, "read", -flight);
    this.#unsettled.set(partition.log, true);
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
    const either = linkAbort(signal, heard.signal);
    await this.#clock.sleep(timeoutMs, either.signal);
    either.unlink();
    this.#listeners.delete(listener);
  }

  async state(partition: Partition, pipeline: string): Promise<GroupState> {
    const { owner, epoch } = this.#lease(partition, pipeline);
    const logs = [partition, replayOf(partition, pipeline)].map((one) => {
      const log = this.#log(one);
      return { log, group: log.group(pipeline) };
    });
    const given = logs.flatMap(({ group }) => [...(group?.pending.values() ?? [])]);
    const counts = Object.fromEntries(this.#booksOf(partition, pipeline).counts);
    const oldest = logs.flatMap(({ log, group }) => log.oldest(group) ?? []);
    return {
      owner,
      epoch,
      pendingEntries: given.length,
      pendingEvents: given.reduce((sum, { events }) => sum + events, 0),
      lagEntries: logs.reduce((sum, { log, group }) => sum + log.lag(group), 0),
      oldest: oldest.length === 0 ? undefined : Math.min(...oldest.map((id) => Number(id.split("-")[0]))),
      lastDelivered: this.#log(partition).group(pipeline)?.lastDelivered ?? "0-0",
      counts,
      vanished: vanishedOf({ told: this.#vanished.get(keys.meta(partition)) ?? 0, counts }),
      lost: this.#log(partition).lost(this.#log(partition).group(pipeline)),
    };
  }

  async time(): Promise<number> {
    return this.#clock.now();
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

  #holds({ partition, pipeline, owner, epoch, tenure }: Fence): boolean {
    const lease = this.#lease(partition, pipeline);
    return lease.owner === owner && lease.epoch === epoch && lease.tenure === tenure;
  }

  /** Whether the lease is the caller's, and all that it was told is still here. */
  #standing(fence: Fence, known: Links): { readonly kind: "held" } | { readonly kind: "fenced" } | WentBack {
    const lease = this.#lease(fence.partition, fence.pipeline);
    const { past } = lease;
    if (Math.min(lease.tenure, past?.tenure ?? lease.tenure) < fence.tenure && lease.tenure !== fence.tenure)
      return { kind: "went-back", left: { commits: 0, reads: 0 } };
    if (past?.tenure === fence.tenure && (past.commits < known.commits || past.reads < known.reads))
      return { kind: "went-back", left: { commits: past.commits, reads: past.reads } };
    if (!this.#holds(fence)) return { kind: "fenced" };
    const { commits, reads } = lease;
    if (commits >= known.commits && reads >= known.reads) return { kind: "held" };
    dismiss(lease);
    return { kind: "went-back", left: { commits, reads } };
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

  #log({ log, adopted, side }: Partition): MemoryLog {
    return getOrMake(this.#logs, log, () => new MemoryLog(!adopted || side === "replay"));
  }

  #booksOf(partition: Partition, pipeline: string): Books {
    return getOrMake(this.#books, keys.ledger(partition, pipeline), () => ({
      counts: new Map(),
      keyed: new MemoryKeyed(),
      names: new MemoryNames(),
      outbox: [],
      lastFrames: new Map(),
      strays: new Set(),
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

/** The owner has to begin anew. */
function dismiss(lease: Lease): void {
  lease.epoch++;
  lease.owner = undefined;
}

const linkOf = ({ incarnation, sequence }: FrameLink): FrameLink => ({ incarnation, sequence });

const isSame = (one: FrameLink | undefined, other: FrameLink | undefined): boolean =>
  one?.incarnation === other?.incarnation && one?.sequence === other?.sequence;

const fieldsOf = ({ producer, incarnation, sequence, count, codec, minTime, maxTime, checksum, body }: Frame) => ({
  v: "1",
  pid: producer,
  inc: incarnation,
  fs: sequence,
  n: count,
  c: codec,
  t0: minTime,
  t1: maxTime,
  h: checksum,
  d: body,
});

function namedFields(fields: readonly Buffer[] = []): readonly (readonly [string, Buffer])[] {
  return Array.from({ length: fields.length / 2 }, (_, i) => [String(fields[2 * i]), fields[2 * i + 1] as Buffer]);
}

/** Roughly what the store would take for it. */
const sizeOf = ({ fields, original = "", error }: DeadLetter): number =>
  fields.reduce((sum, [name, value]) => sum + name.length + value.length, 200 + original.length + error.length);

function increase(counts: Map<string, number>, counter: string, by: number): void {
  counts.set(counter, (counts.get(counter) ?? 0) + by);
}
