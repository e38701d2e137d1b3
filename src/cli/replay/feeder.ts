import { type Partition, replayOf } from "../../bus/partition.ts";
import type { LogOperations } from "../../bus/port.ts";
import type { Clock } from "../../core/clock.ts";
import { RetryableError } from "../../core/errors.ts";
import { createPace, type RateLimit } from "../../core/rate-limit.ts";

export interface FeederOptions {
  /** Events a second at most. */
  readonly rate: number;
  /** How long nothing may be taken from a replay log that is full, or that is waited for at the end. */
  readonly giveUpAfterMs: number;
  readonly signal: AbortSignal;
}

interface Target {
  readonly partition: Partition;
  readonly pipeline: string;
  /** How many entries may be added before the log is looked at again. */
  waitForRoom: number;
}

const lookMs = 100;

/** Fills replay logs slowly and keeps them short: waits for room, for the rate, and at the end for the owners. */
export class Feeder {
  readonly #deps: { readonly bus: LogOperations; readonly clock: Clock };
  readonly #options: FeederOptions;
  readonly #pace: RateLimit;
  readonly #targets = new Map<string, Target>();

  constructor(deps: { readonly bus: LogOperations; readonly clock: Clock }, options: FeederOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#pace = createPace(options.rate, deps.clock);
  }

  /**
   * Waits until the replay log has room for `entries` more below `limit`.
   * @throws RetryableError `replay.stalled` where nobody takes anything for too long
   */
  async waitForRoom(
    partition: Partition,
    pipeline: string,
    want: { readonly entries: number; readonly limit: number },
  ): Promise<void> {
    const name = replayOf(partition, pipeline).log;
    const target = this.#targets.get(name) ?? { partition, pipeline, waitForRoom: 0 };
    this.#targets.set(name, target);
    if (target.waitForRoom < want.entries) {
      const left = await this.#shrink(target, want.limit - want.entries);
      if (left > want.limit - want.entries && !this.#options.signal.aborted) throw this.#stalled(target, left);
      target.waitForRoom = want.limit - left;
    }
    target.waitForRoom -= want.entries;
  }

  /** Waits as long as the rate asks for after so many events more. */
  pace(events: number): Promise<void> {
    return this.#pace.take(events, this.#options.signal);
  }

  /** Waits until what was fed is settled, where somebody reads it. Resolves with the entries that are left. */
  async settled(): Promise<number> {
    const left = await Promise.all(
      [...this.#targets.values()].map(async (target) => {
        const { owner } = await this.#deps.bus.state(target.partition, target.pipeline);
        return owner === undefined ? this.#look(target) : this.#shrink(target, 0);
      }),
    );
    return left.reduce((sum, one) => sum + one, 0);
  }

  /** Waits until at most `limit` entries are left, or nothing moves any more. Resolves with their number. */
  async #shrink(target: Target, limit: number): Promise<number> {
    const { clock } = this.#deps;
    let left = await this.#look(target);
    let since = clock.monotonic();
    while (left > limit && !this.#options.signal.aborted && clock.monotonic() - since <= this.#options.giveUpAfterMs) {
      await clock.sleep(lookMs, this.#options.signal);
      const now = await this.#look(target);
      if (now < left) since = clock.monotonic();
      left = now;
    }
    return left;
  }

  #look({ partition, pipeline }: Target): Promise<number> {
    return this.#deps.bus.replayBacklog(partition, pipeline);
  }

  #stalled({ partition, pipeline }: Target, left: number): RetryableError {
    return new RetryableError(
      "replay.stalled",
      `${left} entries wait in the replay log of '${pipeline}' beside ${partition.name}, and nobody has taken one for ${this.#options.giveUpAfterMs / 1_000} s`,
      { hint: "Nothing is lost. Start a worker for the pipeline, and run the same command again for what is left." },
    );
  }
}
