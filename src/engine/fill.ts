import type { Envelope, Envelopes } from "../bus/envelope.ts";
import type { Partition } from "../bus/partition.ts";
import { deliveryLimits, type Entry } from "../bus/port.ts";
import { backoffMs } from "../core/backoff.ts";
import type { Clock } from "../core/clock.ts";
import { ConfigError, HeadraceError, messageOf, RetryableError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { firstKeyedStage } from "../plan/keyed-state.ts";
import { type PipelinePlan, type StreamPlan, sinksOf } from "../plan/plan.ts";
import { type AdmittedEvent, compileAdmission, isRefusal, type Refusal } from "../stages/admit.ts";
import { compileStages } from "../stages/compile.ts";
import type { StateDraft } from "../state/keyed-state.ts";
import { Chunk } from "./chunk.ts";
import { EventOutcomes } from "./event-outcomes.ts";
import { openEntry } from "./open-entry.ts";
import type { Parking } from "./parking.ts";

export interface FillContext {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly states: StateDraft;
  /** The keys that wait, over all chunks of the partition. */
  readonly parking: Parking;
  /** Ends waiting: what waits is left to the next owner. */
  readonly signal: AbortSignal;
}

export interface Filled {
  readonly chunk: Chunk;
  /** Events whose stages have not answered yet: each resolves when its rows are in the chunk. */
  readonly late: readonly Promise<void>[];
}

/** Takes the entries of one read through decoding, admission and the stages. */
export type Fill = (entries: readonly Entry[], context: FillContext) => Promise<Filled>;

const retryLimits = { initialMs: 50, maxMs: 5_000 } as const;

/**
 * Compiles what a pipeline does with the entries of one partition. A bad entry or event never holds its siblings up: it becomes a
 * dead letter with its reason. An event that has to be tried again parks its key; other keys go on.
 *
 * A pipeline with keyed state takes one event after another, and tries a whole read again: what an event does to the state must
 * not be done twice. What rejects is a RetryableError there, a ConfigError (the pipeline stops), or the reason of the signal.
 */
export function compileFill(pipeline: PipelinePlan, stream: StreamPlan, partition: Partition): Fill {
  const admit = compileAdmission(stream);
  const run = compileStages(pipeline);
  const derives = new Set(Object.entries(sinksOf(pipeline)).flatMap(([name, sink]) => (sink.kind === "stream" ? [name] : [])));
  const hasState = firstKeyedStage(pipeline) !== undefined;
  const first = pipeline.stages[0];
  const fold = first?.kind === "fold" ? { name: first.name, key: first.key as (event: AdmittedEvent) => string } : undefined;

  return async (entries, context) => {
    const chunk = new Chunk(pipeline.name, derives, context.states);
    const now = context.clock.now();
    const read = entries.flatMap((entry) => openInto(chunk, entry));
    const admitted = fold && read.map((envelopes) => admitAll(envelopes, now));
    if (fold && admitted) await context.states.prefetch(fold.name, keysOf(admitted.flat(), fold.key));
    const late: Promise<void>[] = [];
    let outcomes = new EventOutcomes(chunk);
    for (const [i, envelopes] of read.entries()) {
      for (let k = 0; k < envelopes.length; k++) {
        const envelope = envelopes.at(k) as Envelope;
        const event = admitted?.[i]?.[k] ?? tryAdmit(envelope, now);
        outcomes.begin(envelope);
        if (isRefusal(event)) {
          outcomes.deadLetter({ stage: "admit", ...event });
          outcomes.end();
          continue;
        }
        const pending = hasState ? take(event, outcomes) : takeOrPark(event, outcomes, context);
        if (!pending) continue;
        if (hasState) {
          await pending;
          continue;
        }
        late.push(pending);
        // Whoever awaits it comes later: until then a failure must not count as unhandled.
        pending.catch(() => {});
        outcomes = new EventOutcomes(chunk);
        await context.parking.room(context.signal);
      }
    }
    return { chunk, late };
  };

  /** An entry that gave out nothing is settled already. */
  function openInto(chunk: Chunk, entry: Entry): readonly Envelopes[] {
    for (const value of entry.fields ?? []) chunk.bytes += value.length;
    const opened = openEntry(partition.log, entry);
    if (opened.kind === "refused") {
      chunk.refuseEntry(entry.id, entry.events, opened.letter);
      return [];
    }
    if (entry.deliveries > deliveryLimits.last) {
      chunk.refuseEntry(entry.id, entry.events, {
        stage: "delivery",
        reason: "gave-up",
        error: `it was given out ${deliveryLimits.last} times, and each time its reader ended before it was settled`,
        type: opened.envelopes.at(0)?.type ?? "",
        eventId: opened.envelopes.at(0)?.id ?? "",
      });
      return [];
    }
    // An entry of an adopted stream was counted as one when it was read, and may be a frame.
    if (opened.envelopes.length !== entry.events) chunk.count("read", opened.envelopes.length - entry.events);
    if (opened.decode) chunk.open({ id: entry.id, events: opened.envelopes.length, decode: opened.decode });
    else chunk.openLone(entry.id, opened.envelopes.at(0) as Envelope);
    return [opened.envelopes];
  }

  function admitAll(envelopes: Envelopes, now: number): readonly (AdmittedEvent | Refusal)[] {
    return Array.from({ length: envelopes.length }, (_, i) => tryAdmit(envelopes.at(i) as Envelope, now));
  }

  /** Takes one event through the stages. A promise only where a stage returned one: waiting costs a turn of the loop an event. */
  function take(event: AdmittedEvent, outcomes: EventOutcomes): void | Promise<void> {
    try {
      const pending = run(event, outcomes);
      if (pending) return pending.catch((error) => setAside(outcomes, error)).then(() => outcomes.end());
    } catch (error) {
      setAside(outcomes, error);
    }
    outcomes.end();
  }

  function takeOrPark(event: AdmittedEvent, outcomes: EventOutcomes, context: FillContext): void | Promise<void> {
    const { parking } = context;
    if (parking.has(event.key)) return parking.add(event.key, () => persist(event, outcomes, context));
    try {
      const pending = run(event, outcomes);
      if (pending)
        return parking.add(event.key, () =>
          pending.then(
            () => outcomes.end(),
            (error) => persist(event, outcomes, { ...context, error }),
          ),
        );
    } catch (error) {
      if (error instanceof RetryableError) return parking.add(event.key, () => persist(event, outcomes, { ...context, error }));
      setAside(outcomes, error);
    }
    outcomes.end();
  }

  /** Takes an event through the stages until they have decided; `error` is why an earlier try has failed. */
  async function persist(
    event: AdmittedEvent,
    outcomes: EventOutcomes,
    { clock, logger, signal, error }: FillContext & { readonly error?: unknown },
  ): Promise<void> {
    let failure = error;
    for (let failed = error === undefined ? 0 : 1; ; failed++) {
      if (failed > 0 && !(failure instanceof RetryableError)) {
        setAside(outcomes, failure);
        return outcomes.end();
      }
      signal.throwIfAborted();
      if (failed > 0) {
        const about = { partition: partition.name, pipeline: pipeline.name, event: event.id, error: messageOf(failure) };
        if (failed === 1) logger.warn(about, "a stage asked to try again: the events of this key wait");
        outcomes.again();
        await clock.sleep(backoffMs(failed, retryLimits), signal);
      }
      signal.throwIfAborted();
      try {
        await run(event, outcomes);
        return outcomes.end();
      } catch (next) {
        failure = next;
      }
    }
  }

  function setAside(outcomes: EventOutcomes, error: unknown): void {
    if (concernsEveryone(error)) throw error;
    outcomes.deadLetter({ stage: "stages", reason: "stage-failed", error: describeFailure(error) });
  }

  /** A schema or a key function is the user's code, and may throw. */
  function tryAdmit(envelope: Envelope, now: number): AdmittedEvent | Refusal {
    try {
      return admit(envelope, now);
    } catch (error) {
      if (concernsEveryone(error)) throw error;
      return { reason: "schema", error: describeFailure(error) };
    }
  }
}

const concernsEveryone = (error: unknown): boolean => error instanceof RetryableError || error instanceof ConfigError;

/** The keys of a fold that comes first. A key function that throws is met again, and reported, when the event is folded. */
function keysOf(events: readonly (AdmittedEvent | Refusal)[], keyOf: (event: AdmittedEvent) => string): readonly string[] {
  return events.flatMap((event) => {
    if (isRefusal(event)) return [];
    try {
      return [keyOf(event)];
    } catch {
      return [];
    }
  });
}

function describeFailure(error: unknown): string {
  const name = error instanceof Error && !(error instanceof HeadraceError) ? `${error.name}: ` : "";
  return `${name}${messageOf(error)}`.slice(0, 500);
}
