import type { Envelope } from "../bus/envelope.ts";
import type { Partition } from "../bus/partition.ts";
import type { Entry } from "../bus/port.ts";
import { backoffMs } from "../core/backoff.ts";
import type { Clock } from "../core/clock.ts";
import { messageOf, RetryableError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { type PipelinePlan, type StreamPlan, sinksOf } from "../plan/plan.ts";
import { type AdmittedEvent, isRefusal } from "../stages/admit.ts";
import { compileStages } from "../stages/compile.ts";
import { setAside } from "../stages/pursue.ts";
import { Chunk } from "./chunk.ts";
import { EventOutcomes } from "./event-outcomes.ts";
import { compileGate, openEntries } from "./open-entries.ts";
import type { Parking } from "./parking.ts";

export interface FillContext {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The keys that wait, over all chunks of the partition. */
  readonly parking: Parking;
  /** Ends waiting: what waits is left to the next owner. */
  readonly signal: AbortSignal;
}

export interface Filled {
  readonly chunk: Chunk;
  /** Events whose stages have not answered yet: each resolves when its rows are in the chunk. */
  readonly late: readonly Promise<void>[];
  /** More timers are due than one commit should carry. */
  readonly moreDue: boolean;
}

/** Takes the entries of one read through decoding, admission and the stages. */
export type Fill<Context = FillContext> = (entries: readonly Entry[], context: Context) => Promise<Filled>;

const retryLimits = { initialMs: 50, maxMs: 5_000 } as const;

/** The destinations of a pipeline that are streams: they are written by the commit. */
export const streamsOf = (pipeline: PipelinePlan): ReadonlySet<string> =>
  new Set(Object.entries(sinksOf(pipeline)).flatMap(([name, sink]) => (sink.kind === "stream" ? [name] : [])));

/**
 * Compiles what a pipeline without keyed state does with the entries of one partition. A bad entry or event never holds its siblings
 * up: it becomes a dead letter with its reason. An event that has to be tried again parks its key; other keys go on.
 *
 * What rejects is a ConfigError (the pipeline stops), or the reason of the signal.
 */
export function compileFill(pipeline: PipelinePlan, stream: StreamPlan, partition: Partition): Fill {
  const admit = compileGate(stream);
  const run = compileStages(pipeline);
  const derives = streamsOf(pipeline);

  return async (entries, context) => {
    const chunk = new Chunk(pipeline.name, { derives, signal: context.signal });
    const now = context.clock.now();
    const late: Promise<void>[] = [];
    let outcomes = new EventOutcomes(chunk);
    for (const { envelopes } of openEntries(partition, entries, { chunk, now })) {
      for (let k = 0; k < envelopes.length; k++) {
        const envelope = envelopes.at(k) as Envelope;
        const event = admit(envelope, now);
        outcomes.begin(envelope);
        if (isRefusal(event)) {
          outcomes.deadLetter({ stage: "admit", ...event });
          outcomes.end();
          continue;
        }
        const pending = takeOrPark(event, outcomes, context);
        if (!pending) continue;
        late.push(pending);
        // Whoever awaits it comes later: until then a failure must not count as unhandled.
        pending.catch(() => {});
        outcomes = new EventOutcomes(chunk);
        await context.parking.room(context.signal);
      }
    }
    return { chunk, late, moreDue: false };
  };

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
}
