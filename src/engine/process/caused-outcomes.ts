import { uuidOf } from "../../core/hash.ts";
import type { StageCall } from "../../plan/plan.ts";
import type { Moment } from "../../plan/window.ts";
import type { Outcomes, States } from "../../stages/run.ts";
import type { Chunk } from "./chunk.ts";
import { derive, type EventDraft } from "./derive.ts";

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
  readonly #chunk: Chunk;
  readonly #number: number;
  #moment: Moment | undefined;
  #derived = 0;

  constructor(chunk: Chunk, cause: Cause) {
    this.#chunk = chunk;
    this.#cause = cause;
    this.watermark = cause.watermark;
    this.#number = chunk.beginCaused(this);
  }

  /** Made when it is asked for: most timers ring without a result. */
  get moment(): Moment {
    const { cause, time } = this.#cause;
    this.#moment ??= { time, id: uuidOf(`${this.#chunk.pipeline}\n${cause}`) };
    return this.#moment;
  }

  get call(): StageCall {
    return this.#chunk.call;
  }

  get states(): States {
    return this.#chunk.states as States;
  }

  pass(value: unknown): void {
    this.#chunk.pass(value, this);
  }

  send(destination: string, row: unknown): void {
    this.#chunk.count("emitted", 1);
    if (!this.#chunk.derives.has(destination)) return this.#chunk.rows.add(destination, row, this.#number);
    const { pipeline } = this.#chunk;
    const by = this.#cause.by === undefined ? undefined : this.#chunk.producerOf(this.#cause.by);
    const event = derive(row as EventDraft, { cause: this.moment, by, pipeline, destination, place: this.#derived++ });
    this.#chunk.derived.add(destination, event, this.#number);
  }

  keep(): void {}

  drop(): void {}

  duplicate(): void {}

  late(stage: string, value: unknown, to?: { readonly destination: string; readonly row: unknown }): void {
    if (to) return this.send(to.destination, to.row);
    this.deadLetter({ stage, reason: "late", error: `a result that came too late for stage '${stage}'`, value });
  }

  deadLetter({ value, ...letter }: Parameters<Outcomes["deadLetter"]>[0]): void {
    this.#chunk.setCausedAside(this.#number, value, letter);
  }

  caused(cause: string, time: number): Outcomes {
    return new CausedOutcomes(this.#chunk, { cause, time, watermark: this.watermark });
  }

  completed(cause: string, time: number): Outcomes {
    return new CausedOutcomes(this.#chunk, { cause, time, watermark: this.watermark, by: this.#cause.by });
  }
}
