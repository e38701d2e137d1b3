import { backoffMs, connectionBackoff } from "../core/backoff.ts";
import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/log.ts";
import { onAbort } from "../core/on-abort.ts";
import { Outage } from "../core/outage.ts";
import type { Rate, RateLimit } from "../core/rate-limit.ts";
import type { Buckets } from "./port.ts";

export interface SharedLimitDeps {
  readonly buckets: Buckets;
  readonly clock: Clock;
  readonly logger: Logger;
  /** From 0 to 1, as Math.random. */
  readonly random?: () => number;
}

interface TokenWaiter {
  left: number;
  readonly amount: number;
  readonly go: () => void;
}

/** Tokens are asked for by as many as come in this time: about 100 round trips a second at most, whatever the rate. */
const chunkMs = 20;
/** Tokens that nobody has used by then are dropped: kept, they would let a burst through later. */
const keepMs = 1_000;

/**
 * A limit that processes share, as this process sees it: it takes tokens out of the common bucket in chunks, and gives them to
 * whoever waits, in the order in which they came. While the bucket cannot be reached everyone waits.
 *
 * What goes through keeps to the rate as it was granted: a process may use what it holds, at most `chunkMs` worth beside what its
 * waiters asked for, up to `keepMs` later.
 */
export class SharedLimit implements RateLimit {
  readonly #name: string;
  readonly #rate: Rate;
  readonly #deps: SharedLimitDeps;
  readonly #chunk: number;
  readonly #outage: Outage;
  readonly #waiters: TokenWaiter[] = [];
  #held = 0;
  #heldUntil = 0;
  #asking = false;
  #failures = 0;
  /** Ends the wait between two questions when nobody needs the answer any more. */
  #idle = new AbortController();

  constructor(name: string, rate: Rate, deps: SharedLimitDeps) {
    this.#name = name;
    this.#rate = rate;
    this.#deps = deps;
    this.#outage = new Outage(
      { began: "the shared limit cannot be asked: what it guards waits", over: "the shared limit can be asked again" },
      deps,
    );
    this.#chunk = Math.max(1, Math.min(rate.burst, Math.ceil((rate.perSecond * chunkMs) / 1_000)));
  }

  take(amount: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    const had = this.#waiters.length === 0 ? this.#use(amount) : 0;
    if (had === amount) return Promise.resolve();
    return new Promise((resolve) => {
      const go = () => {
        unlisten();
        resolve();
      };
      const waiter: TokenWaiter = { left: amount - had, amount, go };
      const leave = () => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        this.#hold(waiter.amount - waiter.left);
        if (this.#waiters.length === 0) this.#idle.abort();
        go();
      };
      const unlisten = onAbort(signal, leave);
      this.#waiters.push(waiter);
      if (!this.#asking) void this.#ask();
    });
  }

  /** Asks for tokens for as long as somebody waits. Never rejects. */
  async #ask(): Promise<void> {
    this.#asking = true;
    while (this.#serve()) {
      const waitMs = await this.#fetch();
      if (waitMs === 0 || !this.#serve()) continue;
      this.#idle = new AbortController();
      await this.#deps.clock.sleep(waitMs, this.#idle.signal);
    }
    this.#asking = false;
  }

  /** Takes a chunk; returns how long to wait before the next question, milliseconds. */
  async #fetch(): Promise<number> {
    const { buckets, random = Math.random } = this.#deps;
    const { perSecond, burst } = this.#rate;
    const wanted = this.#waiters.reduce((sum, { left }) => sum + Math.ceil(left), 0);
    const want = Math.min(burst, Math.max(wanted, this.#chunk));
    try {
      const { granted, waitMs } = await buckets.take(this.#name, this.#rate, want);
      this.#outage.over({ limit: this.#name });
      this.#failures = 0;
      this.#hold(granted);
      if (granted === want) return 0;
      // Asking for single tokens would cost a round trip for each. And not in step with other processes, or one would always come first.
      return Math.max(waitMs, Math.min(chunkMs, (burst * 1_000) / perSecond)) * (0.75 + 0.5 * random());
    } catch (error) {
      this.#outage.failed(error, { limit: this.#name });
      return Math.max(1, backoffMs(this.#failures++, connectionBackoff, random));
    }
  }

  /** Gives what is held to those who wait; returns whether somebody still does. */
  #serve(): boolean {
    for (let first = this.#waiters[0]; first; first = this.#waiters[0]) {
      first.left -= this.#use(first.left);
      if (first.left > 0) return true;
      this.#waiters.shift();
      first.go();
    }
    return false;
  }

  #hold(tokens: number): void {
    const now = this.#deps.clock.monotonic();
    if (now > this.#heldUntil) this.#held = 0;
    this.#held += tokens;
    this.#heldUntil = now + keepMs;
  }

  #use(amount: number): number {
    if (this.#deps.clock.monotonic() > this.#heldUntil) this.#held = 0;
    const used = Math.min(this.#held, amount);
    this.#held -= used;
    return used;
  }
}
