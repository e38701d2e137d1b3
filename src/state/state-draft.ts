import type { TimerChange } from "../bus/keyed-store.ts";
import { type PackedStates, packStates, type StateChange } from "../bus/packed-states.ts";
import { TerminalError } from "../core/errors.ts";
import type { Timer, Timers } from "../plan/timer.ts";
import type { Moment } from "../plan/window.ts";
import type { StateAndTimers, States } from "../stages/run.ts";
import { nameOf, progressName, splitName } from "./names.ts";
import { encodeState, type StageForm } from "./record.ts";
import type { TimerQueue } from "./timer-queue.ts";
import type { Watermark } from "./watermark.ts";

/** What a state may measure as JSON, bytes. */
const maxStateBytes = 1024 * 1024;

/** The committed and accepted states that a draft begins from. */
export interface StateSource {
  readonly now: number;
  readonly watermark: Watermark;
  /** `undefined` where it has to be fetched; `none` where it is known that there is none. */
  known(name: string): StateAndTimers | typeof none | undefined;
  /** An error in the place of a state that cannot be read. */
  fetch(names: readonly string[]): Promise<readonly (StateAndTimers | TerminalError | undefined)[]>;
  /** Which of these ids were taken before, each in its set. */
  fetchIds(wanted: ReadonlyMap<string, readonly string[]>): Promise<ReadonlyMap<string, ReadonlySet<string>>>;
  /** An id that was accepted is not to be remembered after all. */
  forgetId(set: string, id: string): void;
  queue(stage: string, clock: Timer["clock"]): TimerQueue;
  form(stage: string): StageForm;
}

/** It is known that there is no state. */
export const none = Symbol("no state");

/** A state as one read sees it. */
export interface StateSlot {
  readonly stage: string;
  readonly key: string;
  /** Under which it is stored. */
  readonly name: string;
  held: StateAndTimers | undefined;
  /** Why what is stored cannot be read. It is looked at by nobody, and stays as it is. */
  readonly fault: TerminalError | undefined;
  /** Whether the read has set it. */
  isChanged: boolean;
  /** The size of its JSON, once `encode` was called. */
  length: number;
}

/** `start-over`: a state is too large, and it has to be found out by which event. */
export type Encoded = { readonly kind: "encoded"; readonly bytes: number } | { readonly kind: "start-over" };

/** The states of one read on its way. Nothing that it sets is seen by others before it is accepted. */
export class StateDraft implements States {
  /** What it has set. */
  readonly changed: StateSlot[] = [];
  /** What it may have changed in place: these states are of no use where it is thrown away. */
  readonly touched: StateSlot[] = [];
  /** The ids that it takes, by set. */
  readonly ids = new Map<string, Set<string>>();
  readonly now: number;
  /** What it has set, and how far the watermark is with it. */
  #packed: PackedStates = packStates([]);
  readonly #base: StateSource;
  readonly #careful: boolean;
  #mustStartOver = false;
  /** What was looked at, by stage and key: it must still be there when it is set, whatever leaves the cache meanwhile. */
  readonly #slots = new Map<string, Map<string, StateSlot>>();
  /** The one that was asked for last: an event asks for its own several times. */
  #last: StateSlot | undefined;
  readonly #timers = new Map<string, TimerChange>();
  /** Ids that were asked for, by set: whether each was taken before. */
  readonly #asked = new Map<string, Map<string, boolean>>();

  constructor(base: StateSource, careful: boolean) {
    this.#base = base;
    this.#careful = careful;
    this.now = base.now;
  }

  /** @throws TerminalError where the state cannot be read, as `own` does */
  get(stage: string, key: string): StateAndTimers | undefined | Promise<StateAndTimers | undefined> {
    const slot = this.#slot(stage, key);
    return slot ? heldOf(slot) : this.#fetched(stage, key).then(heldOf);
  }

  own(
    stage: string,
    key: string,
    copy: (state: never) => unknown,
  ): StateAndTimers | undefined | Promise<StateAndTimers | undefined> {
    const slot = this.#slot(stage, key);
    return slot ? this.#owned(slot, copy) : this.#fetched(stage, key).then((fetched) => this.#owned(fetched, copy));
  }

  #owned(slot: StateSlot, copy: (state: never) => unknown): StateAndTimers | undefined {
    const held = heldOf(slot);
    if (held && this.#careful) return { state: copy(held.state as never), timers: held.timers };
    if (held && !slot.isChanged) this.touched.push(slot);
    return held;
  }

  /** @throws TerminalError where the state is too large: then it stays as it was */
  set(stage: string, key: string, held: StateAndTimers | undefined): void {
    const slot = this.#slot(stage, key);
    if (!slot) throw new Error(`the state of '${key}' was not looked at before it was set`);
    if (this.#careful && held) checkSize(slot, this.#encode(slot, held));
    const before = slot.held?.timers ?? noTimers;
    const after = held?.timers ?? noTimers;
    slot.held = held;
    if (!slot.isChanged) {
      slot.isChanged = true;
      this.changed.push(slot);
    }
    if (after !== before) this.#setTimers(slot, { before, after });
  }

  takes(stage: string, { id, time }: Moment): boolean | Promise<boolean> {
    const [set, before] = this.#setsOf(stage);
    const known = [this.#asked.get(set)?.get(id), this.#asked.get(before)?.get(id)];
    if (known.includes(undefined)) return this.askIds(stage, [{ id, time }]).then(() => this.takes(stage, { id, time }));
    const taken = this.ids.get(set) ?? new Set();
    if (known.includes(true) || taken.has(id)) return false;
    this.ids.set(set, taken.add(id));
    return true;
  }

  /** The event was set aside: it is to come through again when it is replayed. */
  forgetId(id: string): void {
    for (const [set, ids] of this.ids) if (ids.delete(id)) this.#base.forgetId(set, id);
  }

  startOver(): void {
    if (!this.#careful) this.#mustStartOver = true;
  }

  /** A state was left half changed: what is in here is of no use, and the batch has to be taken again with a copy for each event. */
  get mustStartOver(): boolean {
    return this.#mustStartOver;
  }

  /** Fetches what is not in memory, in one call: a round trip a read instead of one an event. */
  async prefetch(stage: string, keys: readonly (string | undefined)[]): Promise<void> {
    const missing = [...new Set(keys.filter((key) => key !== undefined))].filter((key) => !this.#slot(stage, key));
    if (missing.length === 0) return;
    const fetched = await this.#base.fetch(missing.map((key) => nameOf(stage, key)));
    missing.forEach((key, i) => void this.#open(stage, key, fetched[i]));
  }

  async #fetched(stage: string, key: string): Promise<StateSlot> {
    await this.prefetch(stage, [key]);
    return this.#slot(stage, key) as StateSlot;
  }

  /** `undefined` where the state has to be fetched. */
  #slot(stage: string, key: string): StateSlot | undefined {
    const last = this.#last;
    if (last && last.key === key && last.stage === stage) return last;
    const slot = this.#slotsOf(stage).get(key);
    if (slot) {
      this.#last = slot;
      return slot;
    }
    const known = this.#base.known(nameOf(stage, key));
    return known && this.#open(stage, key, known === none ? undefined : known);
  }

  #open(stage: string, key: string, found: StateAndTimers | TerminalError | undefined): StateSlot {
    const [held, fault] = found instanceof TerminalError ? [undefined, found] : [found, undefined];
    const slot: StateSlot = { stage, key, name: nameOf(stage, key), held, fault, isChanged: false, length: 0 };
    this.#slotsOf(stage).set(key, slot);
    this.#last = slot;
    return slot;
  }

  #slotsOf(stage: string): Map<string, StateSlot> {
    const known = this.#slots.get(stage);
    if (known) return known;
    const made = new Map<string, StateSlot>();
    this.#slots.set(stage, made);
    return made;
  }

  async askIds(stage: string, moments: readonly Moment[]): Promise<void> {
    if (moments.length === 0) return;
    const ids = moments.map(({ id }) => id);
    const wanted = new Map(this.#setsOf(stage).map((set) => [set, ids]));
    const seen = await this.#base.fetchIds(wanted);
    for (const [set, ids] of wanted) {
      const asked = this.#asked.get(set) ?? new Map<string, boolean>();
      this.#asked.set(set, asked);
      for (const id of ids) asked.set(id, seen.get(set)?.has(id) ?? false);
    }
  }

  /** A timer that has fired and was not set anew: it must not fire again. */
  silence(stage: string, clock: Timer["clock"], member: string): void {
    this.#change({ stage, clock, member, at: undefined });
  }

  /**
   * Writes the changed states as JSON, and says how many bytes that makes.
   * @throws ConfigError where one is not JSON
   */
  encode(): Encoded {
    const progress = this.#base.watermark.toProgress();
    const states: StateChange[] = progress ? [{ name: progressName, json: JSON.stringify(progress) }] : [];
    for (const slot of this.changed) {
      const json = slot.held ? this.#encode(slot, slot.held) : null;
      if (!this.#careful && json !== null && isTooLarge(json)) return { kind: "start-over" };
      slot.length = json?.length ?? 0;
      states.push({ name: slot.name, json });
    }
    this.#packed = packStates(states);
    return { kind: "encoded", bytes: this.#packed.bytes.length };
  }

  /** What goes into the commit. */
  toCommit() {
    const seen = [...this.ids].map(([set, ids]) => ({ set, ids: [...ids], ttlMs: this.#horizonOf(splitName(set).stage) }));
    return { states: this.#packed, timers: [...this.#timers.values()], seen };
  }

  #setTimers({ stage, key }: StateSlot, { before, after }: { readonly before: Timers; readonly after: Timers }): void {
    for (const [timer, { clock, fired }] of Object.entries(before)) {
      if (!fired && (after[timer]?.clock !== clock || after[timer].fired))
        this.#change({ stage, clock, member: memberOf(timer, key), at: undefined });
    }
    for (const [timer, { clock, at, fired }] of Object.entries(after)) {
      const known = before[timer];
      const stays = known?.clock === clock && known.at === at && !known.fired;
      if (!fired && !stays) this.#change({ stage, clock, member: memberOf(timer, key), at });
    }
  }

  #change(change: TimerChange): void {
    const { stage, clock, member, at } = change;
    this.#base.queue(stage, clock).set(member, at);
    this.#timers.set(`${clock}\n${stage}\n${member}`, change);
  }

  #encode({ stage, key }: StateSlot, held: StateAndTimers): string {
    return encodeState({ stage, key }, held, { version: this.#base.form(stage).version, now: this.now });
  }

  /**
   * The set that ids are taken into now, and the one before: what came within the horizon is in one of them, whatever time the event has.
   * Two that carry one id may lie on either side of midnight.
   */
  #setsOf(stage: string): readonly [now: string, before: string] {
    const number = Math.floor(this.now / this.#horizonOf(stage));
    return [nameOf(stage, String(number)), nameOf(stage, String(number - 1))];
  }

  #horizonOf(stage: string): number {
    return this.#base.form(stage).horizonMs as number;
  }
}

const noTimers: Timers = {};

function heldOf({ held, fault }: StateSlot): StateAndTimers | undefined {
  if (fault) throw fault;
  return held;
}

function checkSize({ stage, key }: StateSlot, json: string): void {
  if (!isTooLarge(json)) return;
  throw new TerminalError(
    "state.size",
    `the state that stage '${stage}' keeps for '${key}' would measure more than ${maxStateBytes} bytes`,
    {
      hint: "Keep less for each key, or use a finer key. The state stays as it was.",
    },
  );
}

const isTooLarge = (json: string): boolean => json.length > maxStateBytes / 4 && Buffer.byteLength(json) > maxStateBytes;

/** A timer's name in its queue. Names of timers hold no line break; keys may. */
const memberOf = (timer: string, key: string): string => `${timer}\n${key}`;

export function splitMember(member: string): { readonly timer: string; readonly key: string } {
  const end = member.indexOf("\n");
  return { timer: member.slice(0, end), key: member.slice(end + 1) };
}
