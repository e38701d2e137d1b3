import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/log.ts";
import { Outage } from "../core/outage.ts";
import type { Facts, Load, Registry, RegistryEntry } from "./port.ts";

export interface PresenceOptions {
  /** How long the entry lives without a beat, milliseconds. @default 10000 */
  readonly ttlMs?: number;
  /** Time between beats, milliseconds. @default 3000 */
  readonly beatMs?: number;
}

export interface PresenceDeps {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How busy the process is, since it was last asked. */
  readonly load: () => Load;
}

const retryMs = 1_000;
/** What is told within this time goes out together: a worker takes its leases one by one, milliseconds. */
const togetherMs = 30;

/**
 * Enters a process into the registry and keeps it there. Resolves after the first try: where the registry is away at that moment, the
 * process is entered once it is back.
 */
export async function enterRegistry(
  facts: Facts,
  { registry, clock, logger, load }: PresenceDeps,
  { ttlMs = 10_000, beatMs = 3_000 }: PresenceOptions = {},
): Promise<RegistryEntry> {
  const stop = new AbortController();
  let current = facts;
  let told = new AbortController();
  let isAway = false;
  const outage = new Outage(
    { began: "the registry does not hear of us, trying again", over: "the registry hears of us again" },
    { clock, logger },
  );

  const beat = async (): Promise<void> => {
    told = new AbortController();
    try {
      await registry.announce({ ...current, ...load() }, ttlMs);
      isAway = false;
      outage.over();
    } catch (error) {
      outage.failed(error);
      isAway = true;
    }
  };
  const live = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await clock.sleep(isAway ? retryMs : beatMs, told.signal);
      await clock.sleep(togetherMs, stop.signal);
      if (!stop.signal.aborted) await beat();
    }
  };
  await beat();
  const living = live();
  let closing: Promise<void> | undefined;

  return {
    registry,
    get facts() {
      return current;
    },
    tell(change) {
      current = { ...current, ...change };
      told.abort();
    },
    close() {
      stop.abort();
      told.abort();
      // After the last beat, which would enter us again. An entry that cannot be taken out runs out.
      closing ??= living.then(() => registry.withdraw(current.instance)).catch(() => {});
      return closing;
    },
  };
}
