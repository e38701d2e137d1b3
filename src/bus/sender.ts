import { connectionBackoff } from "../core/backoff.ts";
import type { Clock } from "../core/clock.ts";
import { days } from "../core/duration.ts";
import { ConfigError, RetryableError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { Outage } from "../core/outage.ts";
import { retry } from "../core/retry.ts";
import type { Durability } from "./durability.ts";
import type { Partition } from "./partition.ts";
import type { Appended, AppendLog, UnnumberedFrame } from "./port.ts";
import type { ProducerBreaker } from "./producer-breaker.ts";

export interface SenderOptions {
  readonly producer: string;
  readonly incarnation: number;
  readonly durability: Durability;
  readonly giveUpAfterMs: number;
}

export interface SenderDeps {
  readonly bus: AppendLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly breaker: ProducerBreaker;
  readonly outage: Outage;
  readonly signal?: AbortSignal;
}

/** A producer that is silent for a week is forgotten (see engine/trimmer.ts): well before that it begins a new incarnation. */
const renewAfterMs = days(1);
/** Frames whose events we can still count when Redis has lost them: at some hundred frames a second, the last minute's. */
const maxRemembered = 16_384;

/** Stores frames in one partition, one after another, each until it is there: numbers them, and sends again what was not answered. */
export class Sender {
  readonly #partition: Partition;
  readonly #options: SenderOptions;
  readonly #deps: SenderDeps;
  #incarnation: number;
  /** The number of the next frame: so many were acknowledged under this incarnation, or given up. */
  #sequence = 0;
  /** Events in the newest of those, the last one last; 0 for one that was given up. */
  #acknowledged: number[] = [];
  /**
   * How many events were reported as gone when this incarnation began, and the count of all reports by then. Where Redis tells of fewer, it
   * has forgotten that too.
   */
  #told = { events: 0, total: 0 };
  #storedAt: number;

  constructor(partition: Partition, options: SenderOptions, deps: SenderDeps) {
    this.#partition = partition;
    this.#options = options;
    this.#deps = deps;
    this.#incarnation = options.incarnation;
    this.#storedAt = deps.clock.now();
  }

  /** The name of its partition. */
  get partition(): string {
    return this.#partition.name;
  }

  /**
   * Resolves when the frame is stored, with the id of its entry; with `undefined` where only an answer that was lost had told it. Rejects
   * when it is given up, and the next one may be tried. One call at a time.
   */
  async store(frame: UnnumberedFrame): Promise<string | undefined> {
    const { clock, outage, signal } = this.#deps;
    // All earlier frames were acknowledged, so the new numbers can hide none of them.
    if (this.#sequence > 0 && clock.now() - this.#storedAt > renewAfterMs)
      this.#number(Math.max(this.#incarnation + 1, clock.now()));
    const since = clock.monotonic();
    const append = async (attempt: number) => {
      for (;;) {
        const appended = await this.#append(frame, attempt);
        if (appended) return appended.kind === "stored" ? appended.entry : undefined;
      }
    };
    try {
      const entry = await retry(append, {
        ...connectionBackoff,
        clock,
        signal,
        lastTry: true,
        mayPass: (error) => error instanceof RetryableError && clock.monotonic() - since <= this.#options.giveUpAfterMs,
        onFailure: (error) => outage.failed(error, { partition: this.#partition.name }),
      });
      outage.over();
      return entry;
    } catch (error) {
      if (!(error instanceof ConfigError && error.code === "producer.superseded")) this.#giveUp();
      throw error;
    }
  }

  /** `undefined` where the frame has to be sent anew under another number. */
  async #append(frame: UnnumberedFrame, attempt: number): Promise<Appended | undefined> {
    const { bus, breaker, signal } = this.#deps;
    const { producer, durability } = this.#options;
    const numbered = { producer, incarnation: this.#incarnation, sequence: this.#sequence, ...frame };
    const appended = await breaker.run(() => bus.append(this.#partition, numbered, durability), signal);
    // A duplicate at the first try cannot be our own frame: somebody has our name, and even began in the same millisecond.
    const isForeign = appended.kind === "superseded" || (appended.kind === "duplicate" && attempt === 0);
    if (appended.kind === "gap") await this.#beginAnew(appended.last);
    else if (isForeign) this.#takeOver(appended.kind === "superseded" ? appended.incarnation : this.#incarnation);
    else {
      this.#sequence++;
      this.#acknowledged.push(frame.count);
      if (this.#acknowledged.length > maxRemembered) this.#acknowledged = this.#acknowledged.slice(-maxRemembered / 2);
      this.#storedAt = this.#deps.clock.now();
      return appended;
    }
    return undefined;
  }

  /**
   * Redis knows less than it has acknowledged: it was flushed, or restored from a copy, or a replica that lagged behind has
   * taken over. Those frames are gone from here too, and saying so is all that can be done about them. It is no reason to lose
   * what is still held: nobody was told that it is stored, and under a new incarnation it is, once, at the numbers from 0.
   */
  async #beginAnew(last: number): Promise<void> {
    const { bus, clock, logger } = this.#deps;
    const behind = this.#sequence - 1 - last;
    const gone = this.#acknowledged.slice(-behind);
    const frames = behind - gone.filter((count) => count === 0).length;
    const events = gone.reduce((sum, count) => sum + count, 0);
    const { total: toldInAll } = this.#told;
    const isForgotten = toldInAll > 0 && (await bus.tellVanished(this.#partition, 0)) < toldInAll;
    const untold = isForgotten ? events + this.#told.events : events;
    // Told before the new numbers begin: if it cannot be told, the gap is met again.
    const total = await bus.tellVanished(this.#partition, untold);
    this.#number(Math.max(clock.now(), this.#incarnation + 1));
    this.#told = { events: untold, total };
    if (frames === 0) return;
    logger.error(
      { partition: this.#partition.name, lost: { frames, events }, incarnation: this.#incarnation },
      "events that were acknowledged are gone: Redis was flushed, restored, or replaced by a replica that lacked them; what was not acknowledged yet is stored now",
    );
  }

  /**
   * A larger incarnation has our name. Before our first acknowledgement here it is an earlier start, by a clock that was
   * ahead: we come after it. Later it is a program that runs beside us, and what it stores and what we store cannot be told apart.
   */
  #takeOver(known: number): void {
    const { producer } = this.#options;
    if (this.#acknowledged.some((count) => count > 0)) {
      throw new ConfigError(
        "producer.superseded",
        `${this.#partition.name}: another program sends under the name '${producer}'`,
        { hint: "Give each its own name: this one has stopped." },
      );
    }
    this.#number(Math.max(this.#deps.clock.now(), known + 1));
  }

  /**
   * The frame may have been stored all the same, so the next one has the number behind it and cannot be taken for it. Where Redis does not
   * have it, the gap holds no events; and frames that were acknowledged and are gone when Redis is back are still missed.
   */
  #giveUp(): void {
    this.#sequence++;
    this.#acknowledged.push(0);
  }

  #number(incarnation: number): void {
    this.#incarnation = incarnation;
    this.#sequence = 0;
    this.#acknowledged = [];
    this.#told = { events: 0, total: 0 };
  }
}
