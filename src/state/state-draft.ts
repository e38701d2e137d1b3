import type { TimerChange } from "../bus/keyed-store.ts";
import { TerminalError } from "../core/errors.ts";
import type { Timer, Timers } from "../plan/timer.ts";
import type { Moment } from "../plan/window.ts";
import type { Held, States } from "../stages/run.ts";
import { nameOf, progressName, splitName } from "./names.ts";
import { encodeState, type StageForm } from "./record.ts";
import type { TimerQueue } from "./timer-queue.ts";
import type { Progress, Watermark } from "./watermark.ts";

/** What a state may measure as JSON, bytes. */
const maxStateBytes = 1024 * 1024;

/** The committed and accepted states that a draft begins from. */
export interface StateSource {
  readonly now: number;
  readonly watermark: Watermark;
  /** `undefined` where it has to be fetched. */
  known(name: string): Cached | undefined;
  fetch(names: readonly string[]): Promise<readonly (Held | undefined)[]>;
  /** Which of these ids were taken before, each in its set. */
  fetchIds(wanted: ReadonlyMap<string, readonly string[]>): Promise<ReadonlyMap<string, ReadonlySet<string>>>;
  /** An id that was accepted is not to be remembered after all. */
  forgetId(set: string, id: string): void;
  queue(stage: string, clock: Timer["clock"]): TimerQueue;
  form(stage: string): StageForm;
}

/** A state in the cache; `undefined` where it is known that there is none. */
export interface Cached {
  readonly held: Held | undefined;
}

/** The read has to be taken again, with a copy of the state for each event. */
export class StartOver extends Error {}

/** The states of one read on its way. Nothing that it sets is seen by others before it is accepted. */
export class StateDraft implements States {
  readonly changed = new Map<string, Held | undefined>();
  /** The ids that it takes, by set. */
  readonly ids = new Map<string, Set<string>>();
  /** The changed states as JSON, once `encode` was called. */
  readonly encoded = new Map<string, string>();
  /** Its place among the commits of this owner, once it was accepted. */
  number = 0;
  readonly now: number;
  /** How far the watermark is with it. */
  #progress: Progress | undefined;
  readonly #base: StateSource;
  readonly #careful: boolean;
  /** What was looked at: it must still be there when it is set, whatever leaves the cache meanwhile. */
  readonly #read = new Map<string, Held | undefined>();
  readonly #timers = new Map<string, TimerChange>();
  /** Ids that were asked for, by set: whether each was taken before. */
  readonly #asked = new Map<string, Map<string, boolean>>();

  constructor(base: StateSource, careful: boolean) {
    this.#base = base;
    this.#careful = careful;
    this.now = base.now;
  }

  get(stage: string, key: string): Held | undefined | Promise<Held | undefined> {
    const name = nameOf(stage, key);
    if (this.changed.has(name)) return this.changed.get(name);
    if (this.#read.has(name)) return this.#read.get(name);
    const known = this.#base.known(name);
    if (!known) return this.prefetch([name]).then(() => this.#read.get(name));
    this.#read.set(name, known.held);
    return known.held;
  }

  own(stage: string, key: string, copy: (state: never) => unknown): Held | undefined | Promise<Held | undefined> {
    const isOwn = !this.#careful && this.changed.has(nameOf(stage, key));
    const held = this.get(stage, key);
    if (held instanceof Promise) return held.then((fetched) => fetched && copied(fetched));
    return held && (isOwn ? held : copied(held));

    function copied({ state, timers }: Held): Held {
      return { state: copy(state as never), timers };
    }
  }

  /** @throws TerminalError where the state is too large: then it stays as it was */
  set(stage: string, key: string, held: Held | undefined): void {
    const name = nameOf(stage, key);
    if (this.#careful && held) this.#checkSize(name, this.#encode(name, held));
    const before = this.get(stage, key);
    if (before instanceof Promise) throw new Error(`the state of '${key}' was not looked at before it was set`);
    this.changed.set(name, held);
    if (held?.timers !== before?.timers) this.#setTimers(stage, key, { before: before?.timers ?? {}, after: held?.timers ?? {} });
  }

  takes(stage: string, { id, time }: Moment): boolean | Promise<boolean> {
    const set = this.#setOf(stage, time);
    const known = this.#asked.get(set)?.get(id);
    if (known === undefined) return this.askIds(stage, [{ id, time }]).then(() => this.takes(stage, { id, time }));
    const taken = this.ids.get(set) ?? new Set();
    if (known || taken.has(id)) return false;
    this.ids.set(set, taken.add(id));
    return true;
  }

  /** The event was set aside: it is to come through again when it is replayed. */
  forgetId(id: string): void {
    for (const [set, ids] of this.ids) if (ids.delete(id)) this.#base.forgetId(set, id);
  }

  startOver(): void {
    if (!this.#careful) throw new StartOver();
  }

  /** Fetches what is not in memory, in one call: a round trip a read instead of one an event. */
  async prefetch(names: Iterable<string>): Promise<void> {
    const missing = [...new Set(names)].filter((name) => !(this.changed.has(name) || this.#read.has(name) || this.#known(name)));
    if (missing.length === 0) return;
    const fetched = await this.#base.fetch(missing);
    missing.forEach((name, i) => void this.#read.set(name, fetched[i]));
  }

  #known(name: string): boolean {
    const known = this.#base.known(name);
    if (known) this.#read.set(name, known.held);
    return known !== undefined;
  }

  async askIds(stage: string, moments: readonly Moment[]): Promise<void> {
    const wanted = new Map<string, string[]>();
    for (const { id, time } of moments) {
      const set = this.#setOf(stage, time);
      const ids = wanted.get(set) ?? [];
      wanted.set(set, ids);
      ids.push(id);
    }
    if (wanted.size === 0) return;
    const seen = await this.#base.fetchIds(wanted);
    for (const [set, ids] of wanted) {
      const asked = this.#asked.get(set) ?? new Map<string, boolean>();
      this.#asked.set(set, asked);
      for (const id of ids) asked.set(id, seen.get(set)?.has(id) ?? false);
    }
  }

  /** A timer that has rung and was not set anew: it must not ring again. */
  silence(stage: string, clock: Timer["clock"], member: string): void {
    this.#change({ stage, clock, member, at: undefined });
  }

  /**
   * Writes the changed states as JSON.
   * @throws ConfigError where one is not JSON; StartOver where one is too large, to find out by which event
   */
  encode(): void {
    for (const [name, held] of this.changed) {
      if (!held) continue;
      const json = this.#encode(name, held);
      if (!this.#careful && isTooLarge(json)) throw new StartOver();
      this.encoded.set(name, json);
    }
    this.#progress = this.#base.watermark.toProgress();
  }

  /** What goes into the commit. */
  toCommit() {
    const states = new Map<string, string | null>();
    for (const name of this.changed.keys()) states.set(name, this.encoded.get(name) ?? null);
    if (this.#progress) states.set(progressName, JSON.stringify(this.#progress));
    const seen = [...this.ids].map(([set, ids]) => ({ set, ids: [...ids], ttlMs: this.#horizonOf(splitName(set).stage) }));
    return { number: this.number, states, timers: [...this.#timers.values()], seen };
  }

  #setTimers(stage: string, key: string, { before, after }: { readonly before: Timers; readonly after: Timers }): void {
    for (const [timer, { clock, rung }] of Object.entries(before)) {
      if (!rung && (after[timer]?.clock !== clock || after[timer].rung))
        this.#change({ stage, clock, member: memberOf(timer, key), at: undefined });
    }
    for (const [timer, { clock, at, rung }] of Object.entries(after)) {
      const known = before[timer];
      const stays = known?.clock === clock && known.at === at && !known.rung;
      if (!rung && !stays) this.#change({ stage, clock, member: memberOf(timer, key), at });
    }
  }

  #change(change: TimerChange): void {
    const { stage, clock, member, at } = change;
    this.#base.queue(stage, clock).set(member, at);
    this.#timers.set(`${clock}\n${stage}\n${member}`, change);
  }

  #encode(name: string, held: Held): string {
    const { stage, key } = splitName(name);
    return encodeState({ stage, key }, held, { version: this.#base.form(stage).version, now: this.now });
  }

  #checkSize(name: string, json: string): void {
    if (!isTooLarge(json)) return;
    const { stage, key } = splitName(name);
    throw new TerminalError(
      "state.size",
      `the state that stage '${stage}' keeps for '${key}' would measure more than ${maxStateBytes} bytes`,
      {
        hint: "Keep less for each key, or use a finer key. The state stays as it was.",
      },
    );
  }

  #setOf(stage: string, time: number): string {
    return nameOf(stage, String(Math.floor(time / this.#horizonOf(stage))));
  }

  #horizonOf(stage: string): number {
    return this.#base.form(stage).horizonMs as number;
  }
}

const isTooLarge = (json: string): boolean => json.length > maxStateBytes / 4 && Buffer.byteLength(json) > maxStateBytes;

/** A timer's name in its queue. Names of timers hold no line break; keys may. */
const memberOf = (timer: string, key: string): string => `${timer}\n${key}`;

export function splitMember(member: string): { readonly timer: string; readonly key: string } {
  const end = member.indexOf("\n");
  return { timer: member.slice(0, end), key: member.slice(end + 1) };
}
