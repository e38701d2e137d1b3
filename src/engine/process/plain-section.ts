import type { Entry } from "../../bus/port.ts";
import { RetryableError } from "../../core/errors.ts";
import type { Run } from "../../stages/run.ts";
import { Recording } from "./recording.ts";
import type { BatchResults, Item } from "./results.ts";
import { type TryingDeps, untilDecided } from "./until-decided.ts";

/** A value that was begun: what becomes of it, and until when that is not known. */
interface Begun {
  readonly recording: Recording;
  readonly pending: void | Promise<void>;
}

/** An event, by where it lies. */
export interface Origin {
  readonly entry: Entry;
  readonly index: number;
}

/** What was begun of events, to be told when their turn has come: an event that waited is not computed again, however often its read is. */
export class BegunEvents {
  readonly #begun = new WeakMap<Entry, Map<number, Begun>>();

  get({ entry, index }: Origin): Begun | undefined {
    return this.#begun.get(entry)?.get(index);
  }

  set({ entry, index }: Origin, begun: Begun): void {
    const known = this.#begun.get(entry) ?? new Map<number, Begun>();
    this.#begun.set(entry, known.set(index, begun));
  }
}

export interface PlainSectionDeps extends TryingDeps {
  readonly results: BatchResults;
  /** For values that are events. */
  readonly begun?: BegunEvents | undefined;
  /** Called when values have to be waited for; what it returns, when that is over. */
  readonly meanwhile?: (() => () => void) | undefined;
}

/**
 * Takes a flow of values through stages that keep no state: each by itself, those of one key in turn and those of different keys side by
 * side. What becomes of them is told in the order of the flow, when it is known of all: so whatever comes behind sees the order of the log.
 *
 * Rejects with a ConfigError (the pipeline stops), or with a RetryableError once the signal has aborted and every call has ended.
 */
export async function throughPlain(
  run: Run,
  flow: readonly (Item & Partial<Origin>)[],
  { results, begun, meanwhile, ...deps }: PlainSectionDeps,
): Promise<readonly Item[]> {
  const { queue, signal } = deps;
  const take = untilDecided(run, deps);
  const untold: (Begun & { readonly item: Item })[] = [];
  // Nearly all are told at once: one recording does for them all.
  let spare = new Recording(results.call);
  for (const item of flow) {
    const known = isEvent(item) ? begun?.get(item) : undefined;
    const { recording, pending } = known ?? begin(item);
    if (!pending && untold.length === 0) {
      tell(item, recording);
      if (!known) recording.again();
      continue;
    }
    untold.push({ recording, pending, item });
    if (known) continue;
    if (isEvent(item)) begun?.set(item, { recording, pending });
    spare = new Recording(results.call);
    if (pending) await queue.room(signal);
  }
  if (untold.length > 0) {
    const goOn = meanwhile?.();
    await allOf(untold, signal).finally(goOn);
    for (const { item, recording } of untold) tell(item, recording);
  }
  return results.takePassed();

  function begin({ value, key, outcomes }: Item): Begun {
    spare.of = outcomes;
    return { recording: spare, pending: take(value, key, spare) };
  }

  function tell({ key, outcomes }: Item, recording: Recording): void {
    results.key = key;
    recording.tell(outcomes);
  }
}

const isEvent = (item: Item & Partial<Origin>): item is Item & Origin => item.entry !== undefined;

async function allOf(begun: readonly Begun[], signal: AbortSignal): Promise<void> {
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
