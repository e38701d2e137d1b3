import type { Clock } from "../core/clock.ts";
import type { Instance, Registry, RegistryView } from "./port.ts";

/** How often the registry is read where nothing is pushed: a push that was lost is made up for after this time, milliseconds. */
const rereadMs = 3_000;
const retryMs = 1_000;
/** Changes come in bursts: what follows within this time is read with the first, milliseconds. */
const flockMs = 20;

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
  seen: (view: RegistryView) => void,
  { clock, onPush, stop }: WatchDeps & { readonly stop: AbortSignal },
): Promise<void> {
  let pushed = new AbortController();
  const wake = () => pushed.abort();
  const unsubscribe = onPush(wake);
  stop.addEventListener("abort", wake, { once: true });
  let told: string | undefined;
  let trustedUntil = Number.NEGATIVE_INFINITY;
  const tell = (view: RegistryView) => {
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
    if (live) trustedUntil = now + firstEndMs(live);
    if (live || now >= trustedUntil) tell(live);
    const untilNextLook = Math.min(live ? rereadMs : retryMs, trustedUntil > now ? trustedUntil - now : retryMs);
    await clock.sleep(untilNextLook, pushed.signal);
    await clock.sleep(flockMs, stop);
  }
  unsubscribe();
}

/** When the first of these would run out: from then on nobody can say without another look who is alive. At most two looks. */
const firstEndMs = (live: readonly Instance[]): number => Math.min(2 * rereadMs, ...live.map(({ leftMs }) => leftMs)) + 1;
