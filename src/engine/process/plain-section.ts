import type { Entry } from "../../bus/port.ts";
import { RetryableError } from "../../core/errors.ts";
import type { Run } from "../../stages/run.ts";
import { Recording } from "./recording.ts";
import type { BatchResults, SectionValue } from "./results.ts";
import { type UntilDecidedDeps, untilDecided } from "./until-decided.ts";

/** A value whose call was begun: what it has made so far, and a promise while it is not done. */
interface BegunValue {
  readonly recording: Recording;
  readonly pending: void | Promise<void>;
}

/** Where an event is: its entry, and its place in that. */
export interface EventPosition {
  readonly entry: Entry;
  readonly index: number;
}

/** Calls of events that were begun before their turn. An event that waited is not computed again, however often its batch is tried. */
export class BegunEvents {
  readonly #begun = new WeakMap<Entry, Map<number, BegunValue>>();

  get({ entry, index }: EventPosition): BegunValue | undefined {
    return this.#begun.get(entry)?.get(index);
  }

  set({ entry, index }: EventPosition, begun: BegunValue): void {
    const known = this.#begun.get(entry) ?? new Map<number, BegunValue>();
    this.#begun.set(entry, known.set(index, begun));
  }
}

export interface PlainSectionDeps extends UntilDecidedDeps {
  readonly results: BatchResults;
  /** For values that are events. */
  readonly begun?: BegunEvents | undefined;
  /** Called when values have to be waited for; what it returns, when that is over. */
  readonly meanwhile?: (() => () => void) | undefined;
}

/**
 * Takes a flow of values through stages that keep no state: each by itself, those of one key in turn and those of different keys side by
 * side. Their results are passed on in the order of the flow, once all are known: so the stages behind see the order of the log.
 *
 * Rejects with a ConfigError (the pipeline stops), or with a RetryableError once the signal has aborted and every call has ended.
 */
export async function throughPlain(
  run: Run,
  flow: readonly (SectionValue & Partial<EventPosition>)[],
  { results, begun, meanwhile, ...deps }: PlainSectionDeps,
): Promise<readonly SectionValue[]> {
  const { queue, signal } = deps;
  const take = untilDecided(run, deps);
  const untold: (BegunValue & { readonly value: SectionValue })[] = [];
  // Nearly all are done at once: one recording serves for all of them.
  let spare = new Recording(results.call);
  for (const value of flow) {
    const known = isEvent(value) ? begun?.get(value) : undefined;
    const { recording, pending } = known ?? begin(value);
    if (!pending && untold.length === 0) {
      tell(value, recording);
      if (!known) recording.again();
      continue;
    }
    untold.push({ recording, pending, value });
    if (known) continue;
    if (isEvent(value)) begun?.set(value, { recording, pending });
    spare = new Recording(results.call);
    if (pending) await queue.waitForRoom(signal);
  }
  if (untold.length > 0) {
    const goOn = meanwhile?.();
    await allOf(untold, signal).finally(goOn);
    for (const { value, recording } of untold) tell(value, recording);
  }
  return results.takePassed();

  function begin({ value, key, outcomes }: SectionValue): BegunValue {
    spare.of = outcomes;
    return { recording: spare, pending: take(value, key, spare) };
  }

  function tell({ key, outcomes }: SectionValue, recording: Recording): void {
    results.key = key;
    recording.tell(outcomes);
  }
}

const isEvent = (value: SectionValue & Partial<EventPosition>): value is SectionValue & EventPosition =>
  value.entry !== undefined;

async function allOf(begun: readonly BegunValue[], signal: AbortSignal): Promise<void> {
  const pending = begun.flatMap((one) => (one.pending ? [one.pending] : []));
  try {
    await Promise.all(pending);
  } catch (error) {
    if (!signal.aborted) throw error;
    // The next owner begins them again: it must not meet those that are still under way.
    await Promise.allSettled(pending);
    throw new RetryableError("stop.asked", "events still wait in a stage, and the worker lets go of the partition", {
      cause: error,
    });
  }
}
