import type { Envelope } from "../bus/envelope.ts";
import type { Accepted } from "../bus/partition-queue.ts";
import type { Clock } from "../core/clock.ts";
import { RetryableError } from "../core/errors.ts";
import type { DoorPlan } from "../plan/door.ts";
import type { StreamPlan } from "../plan/stream.ts";
import { type Answer, answerOf, type Result, type RetryReason } from "./answer.ts";
import type { Incoming } from "./formats.ts";
import { compileIntake, type Intake } from "./intake.ts";
import { Problem } from "./problem.ts";
import type { SenderLimit } from "./sender-limit.ts";

/** What a door asks of the producer behind it. */
export interface DoorProducer {
  /** @throws RetryableError where the event was not accepted */
  sendAdmitted(envelope: Envelope, admitted: { readonly key: string; readonly bytes: number }): Promise<Accepted>;
}

export interface DoorDeps {
  readonly producer: DoorProducer;
  readonly clock: Clock;
  readonly limit: SenderLimit;
}

/** How much of a request may be offered. */
export interface Admittance {
  /** Why none may: those that are in order are answered with it. */
  readonly barred?: RetryReason | undefined;
  /** So many of the first; the others are beyond what their sender may send. @default all */
  readonly granted?: number | undefined;
}

/** An event that was handed to the producer, and is not known to be stored. */
interface Offered extends Accepted {
  readonly i: number;
  readonly id: string;
}

/** Takes the events of requests for one stream. */
export class Door {
  readonly plan: DoorPlan;
  /** How much its senders may send. */
  readonly limit: SenderLimit;
  readonly #deps: DoorDeps;
  readonly #take: ReturnType<typeof compileIntake>;

  constructor(stream: StreamPlan, plan: DoorPlan, deps: DoorDeps) {
    this.plan = plan;
    this.limit = deps.limit;
    this.#deps = deps;
    this.#take = compileIntake(stream);
  }

  /**
   * Hands each event to the producer, in their order, and answers for all of them once those are stored. Never rejects for what an event
   * is, nor for what Redis does.
   * @throws Problem `too-large` where there are more events than the stream takes at once: nothing was stored
   */
  async accept({ events, open }: Incoming, { barred, granted = events.length }: Admittance = {}): Promise<Answer> {
    const { maxEvents, maxEventBytes, durability } = this.plan;
    if (events.length > maxEvents)
      throw new Problem("too-large", `the request holds ${events.length} events; ${maxEvents} are the limit: send them in parts`);
    const results: Result[] = [];
    const offered: Offered[] = [];
    let reason = barred;
    for (const [i, bytes] of events.entries()) {
      const taken = this.#take(open(bytes, maxEventBytes), this.#deps.clock.now());
      if (taken.kind === "refused") results[i] = refusedResult(i, taken);
      else {
        // Behind one that had no room none is offered: it would overtake that of its key, and wait as long.
        if (i >= granted) reason ??= "rate-limited";
        const outcome = reason ?? (await this.#offer(i, taken, bytes.length));
        if (typeof outcome === "object") offered.push(outcome);
        else {
          reason = outcome;
          results[i] = { i, id: taken.id, result: "retry", reason: outcome };
        }
      }
    }
    for (const one of offered) results[one.i] = await storedResult(one);
    return answerOf(results, durability);
  }

  async #offer(
    i: number,
    { id, envelope, key }: Extract<Intake, { kind: "event" }>,
    bytes: number,
  ): Promise<Offered | RetryReason> {
    try {
      return { i, id, ...(await this.#deps.producer.sendAdmitted(envelope, { key, bytes })) };
    } catch (error) {
      if (!(error instanceof RetryableError)) throw error;
      return error.code === "producer.overloaded" ? "overloaded" : "away";
    }
  }
}

function refusedResult(i: number, { id, reason, error }: Extract<Intake, { kind: "refused" }>): Result {
  return { i, ...(id !== undefined && { id }), result: "refused", reason, detail: error };
}

async function storedResult({ i, id, partition, index, stored }: Offered): Promise<Result> {
  try {
    const entry = await stored;
    return { i, id, result: "stored", ...(entry !== undefined && { position: `${partition}:${entry}#${index}` }) };
  } catch {
    return { i, id, result: "retry", reason: "unconfirmed" };
  }
}
