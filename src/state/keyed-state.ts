import { LRUCache } from "lru-cache";
import type { KeyedStore } from "../bus/keyed-store.ts";
import type { Fence } from "../bus/port.ts";
import type { Clock } from "../core/clock.ts";
import { messageOf, RetryableError, TerminalError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { Timer } from "../plan/timer.ts";
import type { StateAndTimers } from "../stages/run.ts";
import { progressName, splitName } from "./names.ts";
import { decodeState, type StageForm } from "./record.ts";
import { none, StateDraft, type StateSlot, type StateSource } from "./state-draft.ts";
import { TimerQueue } from "./timer-queue.ts";
import { type Progress, parseProgress, Watermark } from "./watermark.ts";

export interface KeyedStateDeps {
  readonly bus: KeyedStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface KeyedStateOptions {
  readonly forms: readonly StageForm[];
  /** Committed states kept in memory, bytes, roughly. */
  readonly cacheBytes: number;
  /** When a silent partition's event time goes on by itself, milliseconds. */
  readonly idleMs: number;
}

/** How many timers are fetched at once. */
const timerPage = 10_000;
/** So many states that cannot be read are told, each once. */
const maxTold = 100;
/** What an object of the cache takes beside its text, bytes, roughly; and each byte of that text as an object. */
const overhead = { entry: 300, perByte: 2 } as const;

/**
 * The keyed states of one partition and pipeline, as its single owner sees them: Redis holds what is committed, this what is newest.
 * It lives no longer than the lease: another owner may have moved the states on.
 *
 * One draft at a time: it is accepted, or thrown away by the next one.
 */
export class KeyedState implements StateSource {
  readonly #deps: KeyedStateDeps;
  readonly #options: KeyedStateOptions;
  readonly #fence: Fence;
  readonly #forms: ReadonlyMap<string, StageForm>;
  /** Committed ones; any of them may go. */
  readonly #cache: LRUCache<string, StateAndTimers | typeof none>;
  /** Not committed yet. They go before what the cache holds. */
  readonly #newer = new Map<string, StateSlot>();
  /** Ids that were taken and are not committed yet. */
  readonly #newerIds = new Map<string, Set<string>>();
  readonly #queues = new Map<string, TimerQueue>();
  /** The names of states that cannot be read, as far as that was told. */
  readonly #told = new Set<string>();
  #watermark: Watermark | undefined;
  /** The watermark before the draft that is open. */
  #progress: Progress | undefined;

  constructor(fence: Fence, deps: KeyedStateDeps, options: KeyedStateOptions) {
    this.#fence = fence;
    this.#deps = deps;
    this.#options = options;
    this.#forms = new Map(options.forms.map((form) => [form.stage, form]));
    this.#cache = new LRUCache({ maxSize: options.cacheBytes });
  }

  get stages(): readonly string[] {
    return this.#options.forms.map(({ stage }) => stage);
  }

  /** Whether a timer is due at `now`, with nothing left to be read. */
  isDue(now: number): boolean {
    if (!this.#watermark) return false;
    const until = { event: this.#watermark.at(now), processing: now };
    return [...this.#queues].some(([name, queue]) => {
      const time = until[name.startsWith("event") ? "event" : "processing"];
      return queue.horizon <= time || (queue.next()?.at ?? Number.POSITIVE_INFINITY) <= time;
    });
  }

  get now(): number {
    return this.#deps.clock.now();
  }

  get watermark(): Watermark {
    if (!this.#watermark) throw new Error("the states are not open");
    return this.#watermark;
  }

  /**
   * Reads how far the partition is, and its next timers. Called before the first draft.
   * @throws RetryableError when it cannot be read at present
   */
  async open(): Promise<void> {
    if (this.#watermark) return;
    const [json] = await this.#ask((fence) => this.#deps.bus.states(fence, [progressName]));
    for (const { stage } of this.#options.forms) {
      for (const clock of ["event", "processing"] as const) await this.load(stage, clock);
    }
    this.#progress = json ? parseProgress(json) : undefined;
    if (json && !this.#progress)
      this.#deps.logger.error(this.#about, "how far event time had come cannot be read in Redis: it begins anew");
    this.#watermark = new Watermark(this.#options.idleMs, this.#progress);
  }

  queue(stage: string, clock: Timer["clock"]): TimerQueue {
    const name = `${clock}\n${stage}`;
    const known = this.#queues.get(name);
    if (known) return known;
    const made = new TimerQueue();
    this.#queues.set(name, made);
    return made;
  }

  /** Fetches the next timers of a stage. Everything before must be committed: what is not is not in Redis yet. */
  async load(stage: string, clock: Timer["clock"]): Promise<void> {
    const queue = this.queue(stage, clock);
    const from = queue.horizon;
    const page = await this.#ask((fence) => this.#deps.bus.timers(fence, { stage, clock, from, count: timerPage }));
    queue.load(page, page.length < timerPage);
  }

  /** Opens the states for one read. `careful`: with a copy for each event, and a look at each size. */
  draft(careful = false): StateDraft {
    for (const queue of this.#queues.values()) queue.discard();
    this.#watermark = new Watermark(this.#options.idleMs, this.#progress);
    return new StateDraft(this, careful);
  }

  /** Makes a draft's states the newest ones; call `settled` when they are committed. */
  accept(draft: StateDraft): void {
    for (const slot of draft.changed) this.#newer.set(slot.name, slot);
    for (const [set, ids] of draft.ids) {
      const known = this.#newerIds.get(set) ?? new Set();
      this.#newerIds.set(set, known);
      for (const id of ids) known.add(id);
    }
    for (const queue of this.#queues.values()) queue.accept();
    this.#progress = this.watermark.toProgress();
  }

  /** A draft came to nothing, and everything before it is committed: what it may have changed in place is fetched again. */
  forget(draft: StateDraft): void {
    for (const { name } of draft.touched) this.#cache.delete(name);
  }

  settled(draft: StateDraft): void {
    for (const slot of draft.changed) {
      const { name, held, length } = slot;
      if (this.#newer.get(name) !== slot) continue;
      this.#newer.delete(name);
      this.#keep(name, held, length);
    }
    for (const [set, ids] of draft.ids) for (const id of ids) this.forgetId(set, id);
  }

  forgetId(set: string, id: string): void {
    const known = this.#newerIds.get(set);
    known?.delete(id);
    if (known?.size === 0) this.#newerIds.delete(set);
  }

  known(name: string): StateAndTimers | typeof none | undefined {
    const newer = this.#newer.get(name);
    return newer ? (newer.held ?? none) : this.#cache.get(name);
  }

  form(stage: string): StageForm {
    const form = this.#forms.get(stage);
    if (!form) throw new Error(`no keyed stage '${stage}'`);
    return form;
  }

  async fetch(names: readonly string[]): Promise<readonly (StateAndTimers | TerminalError | undefined)[]> {
    const stored = await this.#ask((fence) => this.#deps.bus.states(fence, names));
    return names.map((name, i) => {
      const json = stored[i] ?? null;
      const { stage, key } = splitName(name);
      const held = json === null ? undefined : this.#decode({ stage, key }, json);
      // Looked at again the next time: somebody may have mended it.
      if (held instanceof TerminalError) this.#tell(name, held);
      else this.#keep(name, held, json?.length ?? 0);
      return held;
    });
  }

  #decode(name: { readonly stage: string; readonly key: string }, json: string): StateAndTimers | TerminalError {
    try {
      return decodeState(name, json, this.form(name.stage));
    } catch (error) {
      if (error instanceof TerminalError) return error;
      throw error;
    }
  }

  #tell(name: string, error: TerminalError): void {
    if (this.#told.has(name) || this.#told.size >= maxTold) return;
    this.#told.add(name);
    this.#deps.logger.error({ ...this.#about, error: messageOf(error), hint: error.hint }, "the events of a key are set aside");
  }

  get #about() {
    return { partition: this.#fence.partition.name, pipeline: this.#fence.pipeline };
  }

  #keep(name: string, held: StateAndTimers | undefined, length: number): void {
    this.#cache.set(name, held ?? none, { size: overhead.entry + overhead.perByte * length });
  }

  /** Which of these ids were taken before, each in its set. */
  async fetchIds(wanted: ReadonlyMap<string, readonly string[]>): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
    // What is not committed is looked at before Redis is asked: by the time it answers, it may have been.
    const newer = new Map([...wanted].map(([set, ids]) => [set, ids.filter((id) => this.#newerIds.get(set)?.has(id))]));
    const asked = [...wanted].map(([set, ids]) => ({ set, ids }));
    const stored = await this.#ask((fence) => this.#deps.bus.seen(fence, asked));
    return new Map(
      asked.map(({ set, ids }, i) => [set, new Set([...(newer.get(set) ?? []), ...ids.filter((_, k) => stored[i]?.[k])])]),
    );
  }

  async #ask<Answer>(call: (fence: Fence) => Promise<Answer | "fenced">): Promise<Answer> {
    const answer = await call(this.#fence);
    if (answer !== "fenced") return answer;
    const { partition, pipeline } = this.#fence;
    throw new RetryableError("lease.lost", `${partition.name}: another worker owns it for '${pipeline}' by now`);
  }
}
