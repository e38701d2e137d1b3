import { uuidOf } from "../../core/hash.ts";
import type { StageCall } from "../../plan/plan.ts";
import type { Moment } from "../../plan/window.ts";
import type { Outcomes, States } from "../../stages/run.ts";
import { type DerivedDraft, derive } from "./derive.ts";
import type { BatchResults } from "./results.ts";

interface Cause {
  /** Names the cause within its pipeline. */
  readonly cause: string;
  readonly time: number;
  readonly watermark: number;
  /** The number of the event that has completed it, where it is one that events complete. */
  readonly by?: number | undefined;
}

/**
 * Takes what becomes of a result that no single event has caused, such as the end of a window. The ledger counts what comes out as
 * emitted, and no outcome, which only events have that were read; what fails becomes a dead letter with the result in it.
 */
export class CausedOutcomes implements Outcomes {
  readonly watermark: number;
  readonly #cause: Cause;
  readonly #results: BatchResults;
  readonly #number: number;
  #moment: Moment | undefined;
  #derived = 0;

  constructor(results: BatchResults, cause: Cause) {
    this.#results = results;
    this.#cause = cause;
    this.watermark = cause.watermark;
    this.#number = results.beginCaused(this);
  }

  /** Made when it is asked for: most timers fire without a result. */
  get moment(): Moment {
    const { cause, time } = this.#cause;
    this.#moment ??= { time, id: uuidOf(`${this.#results.pipeline}\n${cause}`) };
    return this.#moment;
  }

  get call(): StageCall {
    return this.#results.call;
  }

  get states(): States {
    return this.#results.keyed;
  }

  pass(value: unknown): void {
    this.#results.pass(value, this);
  }

  send(destination: string, row: unknown): void {
    this.#results.count("emitted", 1);
    if (!this.#results.derives.has(destination)) return this.#results.rows.add(destination, row, this.#number);
    const { pipeline } = this.#results;
    const by = this.#cause.by === undefined ? undefined : this.#results.producerOf(this.#cause.by);
    const event = derive(row as DerivedDraft, { cause: this.moment, by, pipeline, destination, place: this.#derived++ });
    this.#results.derived.add(destination, event, this.#number);
  }

  keep(): void {}

  drop(): void {}

  duplicate(): void {}

  late(stage: string, value: unknown, to?: { readonly destination: string; readonly row: unknown }): void {
    if (to) return this.send(to.destination, to.row);
    this.deadLetter({ stage, reason: "late", error: `a result that came too late for stage '${stage}'`, value });
  }

  deadLetter({ value, ...letter }: Parameters<Outcomes["deadLetter"]>[0]): void {
    this.#results.setCausedAside(this.#number, value, letter);
  }

  caused(cause: string, time: number): Outcomes {
    return new CausedOutcomes(this.#results, { cause, time, watermark: this.watermark });
  }

  completed(cause: string, time: number): Outcomes {
    return new CausedOutcomes(this.#results, { cause, time, watermark: this.watermark, by: this.#cause.by });
  }
}
