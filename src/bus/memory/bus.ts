import type { Clock } from "../../core/clock.ts";
import { linkAbort } from "../../core/linked-abort.ts";
import { isBefore } from "../entry-id.ts";
import type { IdSet, KeyedStore, StoredTimer } from "../keyed-store.ts";
import { keys, type Partition, replayOf } from "../partition.ts";
import {
  type Acquired,
  type Appended,
  type Bus,
  type Commit,
  type DeadLetter,
  type Fence,
  type Frame,
  type GroupState,
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
} from "../port.ts";
import type { LetterKey, LetterMoved, Reread, RereadRequest } from "../replays.ts";
import { appendFields, appendFrame, forgetSilent } from "./append.ts";
import { commitTo } from "./commit.ts";
import { acquireLease, holds } from "./lease.ts";
import { outboxPage, relayFrame, removeRelayed } from "./outbox.ts";
import { readLog } from "./read.ts";
import { discardLetter, replayLetter, reread } from "./replays.ts";
import { stateOf } from "./state.ts";
import { increase, MemoryStore } from "./store.ts";
import { trimLog } from "./trim.ts";

/**
 * The bus in memory: the twin of the Redis driver, with the same answers, for tests on a virtual clock. It passes the same
 * contract suite. What it holds lives as long as the object.
 */
export class MemoryBus implements Bus {
  readonly #clock: Clock;
  readonly #store: MemoryStore;
  readonly #deadLetterBytes: number;

  constructor(clock: Clock, { deadLetterBytes = maxDeadLetterBytes }: { readonly deadLetterBytes?: number } = {}) {
    this.#clock = clock;
    this.#store = new MemoryStore(clock);
    this.#deadLetterBytes = deadLetterBytes;
  }

  async acquire(
    partition: Partition,
    pipeline: string,
    lease: { readonly owner: string; readonly ttlMs: number },
  ): Promise<Acquired> {
    return acquireLease(this.#store, { partition, pipeline, ...lease });
  }

  async renew(fence: Fence, ttlMs: number): Promise<boolean> {
    if (!this.#holds(fence)) return false;
    Object.assign(this.#store.lease(fence.partition, fence.pipeline), { until: this.#clock.now() + ttlMs, ttlMs });
    return true;
  }

  async release(fence: Fence): Promise<void> {
    if (this.#holds(fence)) this.#store.lease(fence.partition, fence.pipeline).owner = undefined;
  }

  async read(fence: Fence, request: ReadRequest): Promise<ReadResult> {
    return readLog(this.#store, fence, request);
  }

  async nack(fence: Fence, entries: readonly string[]): Promise<void> {
    this.#store.log(fence.partition).nack(this.#store.group(fence.partition, fence.pipeline), entries);
  }

  async states(fence: Fence, names: readonly string[]): Promise<readonly (string | null)[] | "fenced"> {
    if (!this.#holds(fence)) return "fenced";
    const { keyed } = this.#store.dataOf(fence.partition, fence.pipeline);
    return names.map((name) => keyed.state(name));
  }

  async timers(fence: Fence, page: Parameters<KeyedStore["timers"]>[1]): Promise<readonly StoredTimer[] | "fenced"> {
    return this.#holds(fence) ? this.#store.dataOf(fence.partition, fence.pipeline).keyed.timers(page) : "fenced";
  }

  async seen(fence: Fence, wanted: readonly IdSet[]): Promise<readonly (readonly boolean[])[] | "fenced"> {
    if (!this.#holds(fence)) return "fenced";
    const { keyed } = this.#store.dataOf(fence.partition, fence.pipeline);
    return wanted.map((ids) => keyed.seen(ids, this.#clock.now()));
  }

  async names(fence: Fence, pages: number) {
    return this.#holds(fence)
      ? this.#store.dataOf(fence.partition, fence.pipeline).names.read(pages, this.#clock.now())
      : "fenced";
  }

  async peek(partition: Partition, pipeline: string, name: string): Promise<string | null> {
    return this.#store.dataOf(partition, pipeline).keyed.state(name);
  }

  async commit(fence: Fence, commit: Commit): Promise<"committed" | "fenced" | WentBack> {
    return commitTo(this.#store, { fence, deadLetterBytes: this.#deadLetterBytes }, commit);
  }

  async tellVanished(partition: Partition, events: number, by?: VanishedOf): Promise<number> {
    if (by) return increase(this.#store.dataOf(partition, by.pipeline).counts, `vanished:${by.kind}`, events);
    return increase(this.#store.vanished, keys.meta(partition), events);
  }

  async count(partition: Partition, from: string, to: string): Promise<number> {
    return this.#store.log(partition).ids.filter((id) => !isBefore(id, from) && !isBefore(to, id)).length;
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
    page: { readonly after?: string; readonly count: number },
  ): Promise<readonly OutboxEntry[]> {
    return outboxPage(this.#store.dataOf(partition, pipeline), page);
  }

  async relay(frame: RelayedFrame): Promise<Relayed> {
    return relayFrame(this.#store, frame);
  }

  async rememberStrays(to: Partition, producer: string, ids: readonly string[]): Promise<void> {
    for (const id of ids) this.#store.straysIn(to, producer).add(id);
  }

  async strays(to: Partition, producer: string): Promise<ReadonlySet<string>> {
    return new Set(this.#store.straysIn(to, producer));
  }

  async relayed(fence: Fence, ids: readonly string[], commits: number): Promise<boolean> {
    return removeRelayed(this.#store, { fence, commits }, ids);
  }

  async append(partition: Partition, frame: Frame): Promise<Appended> {
    return appendFrame(this.#store, partition, frame);
  }

  async checkDurability(): Promise<void> {}

  /** What another program's XADD does. */
  appendPlain(partition: Partition, fields: Readonly<Record<string, string | number | Buffer>>): string {
    return appendFields(this.#store, partition, fields);
  }

  /** What an XRANGE over the whole log does. */
  entriesOf(partition: Partition): readonly { readonly id: string; readonly fields: readonly Buffer[] }[] {
    const log = this.#store.log(partition);
    return log.ids.map((id) => ({ id, fields: log.fieldsOf(id) ?? [] }));
  }

  /** What an HGETALL of the states of a pipeline does, by their names. */
  statesOf(partition: Partition, pipeline: string): ReadonlyMap<string, string> {
    return this.#store.dataOf(partition, pipeline).keyed.states;
  }

  /** What an operator's XDEL or XTRIM does. */
  removeEntries(partition: Partition, ids: readonly string[]): void {
    this.#store.log(partition).remove(ids);
  }

  /**
   * What a crash before the log was on disk, a replica that lagged, or a copy that is put back does: returns what brings the keys that
   * begin so back to what they are now. Clients go on as if nothing had happened.
   */
  snapshot(prefix = ""): () => void {
    return this.#store.snapshot(prefix);
  }

  /** What an operator's XGROUP DESTROY does. What was given out and not settled will be read again: it no longer counts as read. */
  removeGroup(partition: Partition, pipeline: string): void {
    const flight = this.#store.log(partition).removeGroup(pipeline);
    if (flight === 0) return;
    increase(this.#store.dataOf(partition, pipeline).counts, "read", -flight);
    this.#store.unsettled.set(partition.log, true);
  }

  async trim(partition: Partition, request: TrimRequest): Promise<Trimmed> {
    return trimLog(this.#store.log(partition), request, this.#clock.now());
  }

  async forgetProducers(partition: Partition, silentMs: number): Promise<number> {
    return forgetSilent(this.#store, partition, silentMs);
  }

  async wait(watches: readonly Watch[], timeoutMs: number, signal: AbortSignal): Promise<void> {
    const hasNews = () =>
      watches.some(({ partition, after }) => this.#store.log(partition).ids.some((id) => isBefore(after, id)));
    if (hasNews()) return;
    const heard = new AbortController();
    const listener = () => {
      if (hasNews()) heard.abort();
    };
    this.#store.listeners.add(listener);
    const either = linkAbort(signal, heard.signal);
    await this.#clock.sleep(timeoutMs, either.signal);
    either.unlink();
    this.#store.listeners.delete(listener);
  }

  async state(partition: Partition, pipeline: string): Promise<GroupState> {
    return stateOf(this.#store, partition, pipeline);
  }

  async time(): Promise<number> {
    return this.#clock.now();
  }

  async *deadLetters(partition: Partition): AsyncIterable<DeadLetter> {
    yield* [...this.#store.letters(partition)];
  }

  async replayDeadLetter(partition: Partition, letter: LetterKey): Promise<LetterMoved> {
    return replayLetter(this.#store, partition, letter);
  }

  async discardDeadLetter(partition: Partition, letter: LetterKey): Promise<"discarded" | "gone"> {
    return discardLetter(this.#store, partition, letter);
  }

  async reread(partition: Partition, pipeline: string, request: RereadRequest): Promise<Reread> {
    return reread(this.#store, { partition, pipeline }, request);
  }

  async replayBacklog(partition: Partition, pipeline: string): Promise<number> {
    return this.#store.log(replayOf(partition, pipeline)).ids.length;
  }

  async close(): Promise<void> {}

  #holds(fence: Fence): boolean {
    return holds(this.#store, fence);
  }
}
