import type { Envelope, Fault } from "../../bus/envelope.ts";
import type { StageCall } from "../../plan/plan.ts";
import type { Moment } from "../../plan/window.ts";
import type { Outcomes, States } from "../../stages/run.ts";
import { CausedOutcomes } from "./caused-outcomes.ts";
import { type DerivedDraft, derive } from "./derive.ts";
import type { BatchResults } from "./results.ts";
import type { RetriableEffects } from "./until-decided.ts";

/** Before the first event. */
const noEnvelope: Envelope = { id: "", type: "", time: 0, source: undefined, traceparent: undefined, data: undefined };

/** How an event ended so far; a higher one wins when an event had several. */
const undecided = 0;
const dropped = 1;
const duplicate = 2;
const delivered = 3;
const late = 4;
const deadLettered = 5;

/**
 * Collects the outcome of one event of a batch: dead-lettered or late where any part of it was, else delivered where any part was, else
 * dropped. The object is used again for the next event, unless a stage of this one has not answered yet.
 */
export class EventOutcomes implements Outcomes, RetriableEffects {
  readonly #results: BatchResults;
  #event = -1;
  #envelope: Envelope = noEnvelope;
  #state = undecided;
  #reason = "";
  #derived = 0;
  #watermark = 0;
  #isRefused = false;

  constructor(results: BatchResults) {
    this.#results = results;
  }

  get eventId(): string {
    return this.moment.id;
  }

  get moment(): Moment {
    return this.#envelope;
  }

  get watermark(): number {
    return this.#watermark;
  }

  get call(): StageCall {
    return this.#results.call;
  }

  get states(): States {
    return this.#results.keyed;
  }

  begin(envelope: Envelope, watermark = 0): void {
    this.#event = this.#results.begin();
    this.#envelope = envelope;
    this.#watermark = watermark;
    this.#isRefused = false;
    this.#state = undecided;
    this.#derived = 0;
  }

  again(): void {
    this.#results.forget(this.#event);
    this.#state = undecided;
    this.#derived = 0;
  }

  /** Counts the event. One that vanished in a stage is a dead letter: nothing ends without an outcome. */
  end(): void {
    if (this.#state === undecided)
      this.deadLetter({ stage: "stages", reason: "stage-failed", error: "a stage returned neither values nor a reason to end" });
    this.#results.count(this.#counter(), 1);
    if (this.#state >= late && !this.#isRefused) this.#results.forgetId(this.moment.id);
  }

  /** The gate has refused the event: it ends here, and its name is not taken. */
  refuse({ reason, error }: Fault): void {
    this.#isRefused = true;
    if (reason === "duplicate") this.duplicate();
    else this.deadLetter({ stage: reason === "conflict" ? "identity" : "admit", reason, error });
    this.end();
  }

  pass(value: unknown): void {
    this.#results.pass(value, this);
  }

  send(destination: string, row: unknown): void {
    const cause = this.#envelope;
    if (this.#results.derives.has(destination)) {
      const { pipeline } = this.#results;
      const by = this.#results.producerOf(this.#event);
      const event = derive(row as DerivedDraft, { cause, by, pipeline, destination, place: this.#derived++ });
      this.#results.derived.add(destination, event, this.#event);
    } else {
      this.#results.rows.add(destination, row, this.#event);
      if (cause.traceparent !== undefined) this.#results.rows.trace(cause.traceparent);
    }
    this.keep();
  }

  keep(): void {
    if (this.#state < delivered) this.#state = delivered;
  }

  drop(reason: string): void {
    if (this.#state >= dropped) return;
    this.#state = dropped;
    this.#reason = reason;
  }

  duplicate(): void {
    if (this.#state < duplicate) this.#state = duplicate;
  }

  late(stage: string, _: unknown, to?: { readonly destination: string; readonly row: unknown }): void {
    if (to) this.send(to.destination, to.row);
    else this.#results.setAside(this.#event, this.#envelope, { stage, reason: "late", error: lateness(this.moment, stage) });
    if (this.#state < late) this.#state = late;
  }

  deadLetter({ stage, reason, error }: Omit<Parameters<Outcomes["deadLetter"]>[0], "value">): void {
    this.#results.setAside(this.#event, this.#envelope, { stage, reason, error });
    if (this.#state === deadLettered) return;
    this.#state = deadLettered;
    this.#reason = reason;
  }

  caused(cause: string, time: number): Outcomes {
    return new CausedOutcomes(this.#results, { cause, time, watermark: this.#watermark });
  }

  completed(cause: string, time: number): Outcomes {
    return new CausedOutcomes(this.#results, { cause, time, watermark: this.#watermark, by: this.#event });
  }

  #counter(): string {
    switch (this.#state) {
      case delivered:
        return "delivered";
      case duplicate:
        return "duplicate";
      case late:
        return "late";
      case dropped:
        return `dropped:${this.#reason}`;
      default:
        return `deadLettered:${this.#reason}`;
    }
  }
}

const lateness = ({ time }: Moment, stage: string): string =>
  `its time is ${new Date(time).toISOString()}, and what '${stage}' made of that time is final`;
