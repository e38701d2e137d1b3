import type { Clock } from "../core/clock.ts";
import { onAbort } from "../core/on-abort.ts";
import type { CachePlan, StageCall } from "../plan/plan.ts";

type LookUp = (key: string, call: StageCall) => unknown;

/** A call that has not been answered yet. */
interface UnderWay {
  readonly answer: Promise<unknown>;
  /** Ends the call. */
  readonly end: AbortController;
  waiting: number;
}

/**
 * The same function, with its answers kept by key: for `ttlMs`, and `maxEntries` of them. What is known is given at once, without a
 * promise. Calls for one key share one call while it is under way; its signal aborts when the last of them waits no more. What fails
 * is not kept: the next call asks anew.
 */
export function keepAnswers(look: LookUp, { maxEntries, ttlMs }: CachePlan, clock: Clock): LookUp {
  /** The one that was asked for last comes last. */
  const known = new Map<string, { readonly found: unknown; readonly until: number }>();
  const underWay = new Map<string, UnderWay>();

  return (key, { signal }) => {
    const kept = known.get(key);
    if (kept) {
      known.delete(key);
      if (clock.monotonic() < kept.until) {
        known.set(key, kept);
        return kept.found;
      }
    }
    if (signal.aborted) return Promise.reject(signal.reason);
    const shared = underWay.get(key);
    if (shared) return join(key, shared, signal);
    const end = new AbortController();
    const answer = look(key, { signal: end.signal });
    if (!(answer instanceof Promise)) return keep(key, answer);
    const call: UnderWay = { answer, end, waiting: 0 };
    underWay.set(key, call);
    // Registered before anyone waits for it: whoever gets the answer finds the call removed.
    answer.then(
      (found) => {
        keep(key, found);
        leaveOff(key, call);
      },
      () => leaveOff(key, call),
    );
    return join(key, call, signal);
  };

  function keep(key: string, found: unknown): unknown {
    known.delete(key);
    known.set(key, { found, until: clock.monotonic() + ttlMs });
    const [oldest] = known.keys();
    if (oldest !== undefined && known.size > maxEntries) known.delete(oldest);
    return found;
  }

  /** Waits for the answer, for as long as the signal lets it. */
  function join(key: string, call: UnderWay, signal: AbortSignal): Promise<unknown> {
    call.waiting += 1;
    return new Promise((resolve, reject) => {
      const unlisten = onAbort(signal, () => {
        reject(signal.reason);
        call.waiting -= 1;
        if (call.waiting > 0) return;
        leaveOff(key, call);
        call.end.abort(signal.reason);
      });
      void call.answer.finally(unlisten).then(resolve, reject);
    });
  }

  /** The next call for the key asks anew. */
  function leaveOff(key: string, call: UnderWay): void {
    if (underWay.get(key) === call) underWay.delete(key);
  }
}
