import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/log.ts";

const causes = ["appends", "buffer", "bodies", "memory", "lag"] as const;

/**
 * What is known of the trouble behind a collector, by its cause, each as a share of what it may be: 0 is none, at 1 nothing more is to come.
 * `appends`: how long Redis takes to store a frame. `buffer`: what waits to be stored. `bodies`: requests that are held in memory. `memory`:
 * of Redis, up to its limit. `lag`: how far the slowest reader of a stream is behind.
 */
export type DoorLoad = Readonly<Record<(typeof causes)[number], number>>;

/** How a collector meets requests. */
export type DoorState = "open" | "slow" | "retry" | "shut";

/** What is to be done with a request. */
export type Verdict =
  | { readonly kind: "take"; readonly delayMs: number; readonly isProbe: boolean }
  /** Its events are answered with `retry`, and not offered. */
  | { readonly kind: "retry" }
  /** It is refused before its body is read. */
  | { readonly kind: "refuse"; readonly because: keyof DoorLoad };

export interface PressureDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** What the trouble is now. */
  readonly load: () => DoorLoad;
  /** Told of each change. */
  readonly onChange?: (state: DoorState) => void;
}

/** From this share on answers take longer, up to `mostMs` just below 1. */
const slowFrom = 0.5;
const mostMs = 500;
/** How long events are answered with `retry`, before whole requests are refused, milliseconds. */
const shutAfterMs = 1_000;
/** While it is shut one request in this time is taken, to see whether it can be stored, milliseconds. */
const probeMs = 1_000;

/**
 * The outward breaker. As the trouble behind it grows, answers first take longer, so that clients which wait for them slow down; then
 * events are answered with `retry`; where that lasts, requests are refused before their bodies are read, but for a probe now and then: one
 * that is stored opens it again.
 */
export class OutwardBreaker {
  readonly #deps: PressureDeps;
  #state: DoorState = "open";
  /** Since when nothing more was to come. */
  #fullSince: number | undefined;
  #probedAt = Number.NEGATIVE_INFINITY;

  constructor(deps: PressureDeps) {
    this.#deps = deps;
  }

  get state(): DoorState {
    return this.#state;
  }

  /** Looks at the trouble, for a request that has come. */
  meet(): Verdict {
    const now = this.#deps.clock.monotonic();
    const [cause, share] = worst(this.#deps.load());
    if (this.#state === "shut") {
      if (now - this.#probedAt < probeMs) return { kind: "refuse", because: cause };
      this.#probedAt = now;
      return { kind: "take", delayMs: 0, isProbe: true };
    }
    if (share < 1) {
      this.#fullSince = undefined;
      const delayMs = Math.max(0, Math.round((mostMs * (share - slowFrom)) / (1 - slowFrom)));
      this.#become(delayMs > 0 ? "slow" : "open", cause);
      return { kind: "take", delayMs, isProbe: false };
    }
    this.#fullSince ??= now;
    if (now - this.#fullSince < shutAfterMs) {
      this.#become("retry", cause);
      return { kind: "retry" };
    }
    this.#probedAt = now;
    this.#become("shut", cause);
    return { kind: "refuse", because: cause };
  }

  /** Says whether all events of a probe could be stored. */
  probed(isStored: boolean): void {
    if (this.#state !== "shut" || !isStored) return;
    this.#fullSince = undefined;
    this.#become("open", "appends");
  }

  #become(state: DoorState, cause: keyof DoorLoad): void {
    if (state === this.#state) return;
    const was = this.#state;
    this.#state = state;
    const { logger, onChange } = this.#deps;
    if (state === "shut") logger.warn({ cause }, "the collector takes nothing: what it takes cannot be stored");
    else if (was === "shut") logger.info({}, "the collector takes events again");
    onChange?.(state);
  }
}

function worst(load: DoorLoad): readonly [keyof DoorLoad, number] {
  let found: keyof DoorLoad = "appends";
  for (const cause of causes) if (load[cause] > load[found]) found = cause;
  return [found, load[found]];
}
