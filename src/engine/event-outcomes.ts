import type { Envelope } from "../bus/envelope.ts";
import { uuidOf } from "../core/hash.ts";
import type { Outcomes, States } from "../stages/run.ts";
import type { Chunk } from "./chunk.ts";

interface EventDraft {
  readonly type: string;
  readonly data: unknown;
  readonly time?: Date;
}

/** How an event ended so far; a higher one wins when an event had several. */
const undecided = 0;
const dropped = 1;
const delivered = 2;
const deadLettered = 3;

/**
 * Takes what becomes of one event of a chunk: dead-lettered if any part of it was, else delivered if any part was, else dropped.
 * It is used again for the next event, unless a stage of this one has not answered yet.
 */
export class EventOutcomes implements Outcomes {
  readonly #chunk: Chunk;
  #event = -1;
  #envelope: Envelope | undefined;
  #state = undecided;
  #reason = "";
  #derived = 0;

  constructor(chunk: Chunk) {
    this.#chunk = chunk;
  }

  get states(): States {
    return this.#chunk.states;
  }

  begin(envelope: Envelope): void {
    this.#event = this.#chunk.begin();
    this.#envelope = envelope;
    this.#state = undecided;
    this.#derived = 0;
  }

  /** Forgets what became of the event so far: it goes through the stages again. */
  again(): void {
    this.#chunk.forget(this.#event);
    this.#state = undecided;
    this.#derived = 0;
  }

  /** Counts the event. One that vanished in a stage is a dead letter: nothing ends without an outcome. */
  end(): void {
    if (this.#state === undecided)
      this.deadLetter({ stage: "stages", reason: "stage-failed", error: "a stage returned neither values nor a reason to end" });
    if (this.#state === delivered) this.#chunk.count("delivered", 1);
    else this.#chunk.count(`${this.#state === dropped ? "dropped" : "deadLettered"}:${this.#reason}`, 1);
  }

  send(destination: string, row: unknown): void {
    if (this.#chunk.derives.has(destination)) {
      this.#chunk.derived.add(destination, this.#derive(destination, row as EventDraft), this.#event);
    } else {
      this.#chunk.rows.add(destination, row, this.#event);
    }
    if (this.#state < delivered) this.#state = delivered;
  }

  drop(reason: string): void {
    if (this.#state >= dropped) return;
    this.#state = dropped;
    this.#reason = reason;
  }

  deadLetter(letter: { readonly stage: string; readonly reason: string; readonly error: string }): void {
    this.#chunk.setAside(this.#event, this.#envelope as Envelope, letter);
    if (this.#state === deadLettered) return;
    this.#state = deadLettered;
    this.#reason = letter.reason;
  }

  /** Gives a derived event its identity: the same cause makes the same id, however often it is read. */
  #derive(destination: string, { type, data, time }: EventDraft): Envelope {
    const cause = this.#envelope as Envelope;
    const { pipeline } = this.#chunk;
    return {
      id: uuidOf(`${cause.id}\n${pipeline}\n${destination}\n${this.#derived++}`),
      type,
      time: time?.getTime() ?? cause.time,
      source: pipeline,
      traceparent: cause.traceparent,
      data,
    };
  }
}
