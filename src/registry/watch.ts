import type { Clock } from "../core/clock.ts";
import type { Instance, Registry, View } from "./port.ts";

/** How often the registry is read where nothing is pushed: a push that was lost is made up for after this time, milliseconds. */
const rereadMs = 3_000;
const retryMs = 1_000;
/** Changes come in flocks: what follows within this time is read with the first, milliseconds. */
const flockMs = 20;
/** So long an old view is better than none: as long as an entry lives, milliseconds. */
const staleMs = 10_000;

export interface WatchDeps {
  readonly clock: Clock;
  /** Calls back at each push, until the returned function is called. */
  readonly onPush: (pushed: () => void) => () => void;
}

/**
 * Tells `seen` who is alive whenever that has changed. What is pushed is only the hint to read again; and a process that
 * dies pushes nothing: the next read is due when the next entry would run out.
 */
export async function watchLive(
  registry: Pick<Registry, "live">,
  seen: (view: View) => void,
  { clock, onPush, stop }: WatchDeps & { readonly stop: AbortSignal },
): Promise<void> {
  let pushed = new AbortController();
  const unsubscribe = onPush(() => pushed.abort());
  let told: string | undefined;
  let heardAt = Number.NEGATIVE_INFINITY;
  const tell = (view: View) => {
    const facts = JSON.stringify(view?.map(({ cpu, rssBytes, leftMs, ...rest }) => rest) ?? null);
    if (facts === told) return;
    told = facts;
    seen(view);
  };
  while (!stop.aborted) {
    // Made anew before the read: a push that comes while it is under way may tell of what it has not seen.
    pushed = new AbortController();
    const live = await registry.live().catch(() => undefined);
    if (stop.aborted) break;
    const now = clock.monotonic();
    if (live) heardAt = now;
    if (live || now - heardAt >= staleMs) tell(live);
    await clock.sleep(live ? untilNextLook(live) : retryMs, AbortSignal.any([stop, pushed.signal]));
    await clock.sleep(flockMs, stop);
  }
  unsubscribe();
}

const untilNextLook = (live: readonly Instance[]): number => Math.min(rereadMs, ...live.map(({ leftMs }) => leftMs + 1));
