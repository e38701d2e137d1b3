import { setMaxListeners } from "node:events";
import { backoffMs } from "../core/backoff.ts";
import type { Clock } from "../core/clock.ts";
import { seconds } from "../core/duration.ts";
import { HeadraceError, messageOf, RetryableError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { RollupPlan } from "../plan/table.ts";
import { type RegistryEntry, type RegistryView, withRole } from "../registry/port.ts";
import { rendezvous } from "../registry/rendezvous.ts";
import type { KeptMarks } from "./kept-marks.ts";
import { type RefreshDeps, refreshRollup } from "./refresh.ts";

export interface RefresherDeps extends RefreshDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Those that the sinks of this process make: where they are lost, they are made anew. */
  readonly marks: KeptMarks;
  /** This process in the registry: the workers there share the rollups. Without one, a worker refreshes all of them. */
  readonly presence?: RegistryEntry;
  readonly random?: () => number;
}

export interface RefresherOptions {
  /** The least time between two looks at a rollup, milliseconds: what came meanwhile is counted at once. @default 1000 */
  readonly pauseMs?: number;
}

/** After a count that took long, the pause is so many times as long: a hot bucket keeps one query busy for a third of the time at most. */
const pausePerCount = 2;
const afterFailure = { initialMs: seconds(1), maxMs: seconds(30) } as const;

/**
 * Keeps rollups up to date until `stop` aborts; never rejects. Of the workers that the registry shows, each rollup has one that refreshes
 * it. Two at a time, while they do not see the same others, cost double work and no more; where nobody can tell, everyone does.
 */
export async function runRefresher(
  rollups: readonly RollupPlan[],
  deps: RefresherDeps,
  { pauseMs = 1_000, stop }: RefresherOptions & { readonly stop: AbortSignal },
): Promise<void> {
  const { clock, presence, random = Math.random } = deps;
  // Every rollup listens, asleep or at work: many listeners are no leak.
  setMaxListeners(0, stop);
  let view: RegistryView;
  const isOurs = ({ name }: RollupPlan): boolean => {
    if (!view || !presence) return true;
    const { instance } = presence.facts;
    const others = withRole(view, "worker").filter((one) => one.instance !== instance && one.rollups?.includes(name));
    return rendezvous(`rollup ${name}`, [instance, ...others.map((other) => other.instance)]) === instance;
  };
  const keep = async (rollup: RollupPlan): Promise<void> => {
    const trouble = new Trouble(rollup, deps);
    const owed = new Set<number>();
    for (let failed = 0; !stop.aborted; ) {
      const began = clock.monotonic();
      try {
        await deps.marks.renew(rollup.name);
        if (isOurs(rollup)) await refreshRollup(rollup, deps, { owed, signal: stop });
        else owed.clear();
        failed = 0;
        trouble.over();
      } catch (error) {
        if (stop.aborted) return;
        trouble.tell(error);
        failed += 1;
      }
      const restMs = failed > 0 ? backoffMs(failed, afterFailure, random) : pausePerCount * (clock.monotonic() - began);
      await clock.sleep(Math.max(pauseMs, restMs), stop);
    }
  };
  presence?.tell({ rollups: rollups.map(({ name }) => name) });
  const watching = presence?.registry.watch((seen) => {
    view = seen;
  }, stop);
  await Promise.all([...rollups.map(keep), watching]);
}

/** Logs why a rollup is not refreshed, once for each reason, and when it is refreshed again. */
class Trouble {
  readonly #rollup: string;
  readonly #logger: Logger;
  readonly #clock: Clock;
  #told: string | undefined;
  #since = 0;

  constructor({ name }: RollupPlan, { clock, logger }: Pick<RefresherDeps, "clock" | "logger">) {
    this.#rollup = name;
    this.#clock = clock;
    this.#logger = logger;
  }

  tell(error: unknown): void {
    const reason = messageOf(error);
    if (reason === this.#told) return;
    if (this.#told === undefined) this.#since = this.#clock.monotonic();
    this.#told = reason;
    const fields = { rollup: this.#rollup, error: reason, ...(error instanceof HeadraceError && { hint: error.hint }) };
    if (error instanceof RetryableError) this.#logger.warn(fields, "a rollup cannot be refreshed now, trying again");
    else this.#logger.error(fields, "a rollup cannot be refreshed: its numbers stand still until this is mended");
  }

  over(): void {
    if (this.#told === undefined) return;
    const lastedMs = Math.round(this.#clock.monotonic() - this.#since);
    this.#logger.info({ rollup: this.#rollup, lastedMs }, "the rollup is refreshed again");
    this.#told = undefined;
  }
}
