import type { Envelope } from "../../bus/envelope.ts";
import type { Partition } from "../../bus/partition.ts";
import type { Entry } from "../../bus/port.ts";
import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/log.ts";
import { type PipelinePlan, type StreamPlan, sinksOf } from "../../plan/plan.ts";
import { isRefusal } from "../../stages/admit.ts";
import { compileStages } from "../../stages/compile.ts";
import type { NameDraft } from "../../state/known-names.ts";
import { Chunk } from "./chunk.ts";
import { EventOutcomes } from "./event-outcomes.ts";
import { compileGate, openInto } from "./open-entries.ts";
import type { Parking } from "./parking.ts";
import { untilDecided } from "./until-decided.ts";

export interface FillContext {
  /** Of the events that are taken; none where they are not remembered. */
  readonly names?: NameDraft | undefined;
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
    const { clock, parking, signal } = context;
    const chunk = new Chunk(pipeline.name, { derives, names: context.names, signal });
    const take = untilDecided(run, { ...context, about: { partition: partition.name, pipeline: pipeline.name } });
    const now = clock.now();
    const late: Promise<void>[] = [];
    let outcomes = new EventOutcomes(chunk);
    for (const entry of entries) {
      const envelopes = openInto(chunk, partition, entry)?.envelopes ?? [];
      for (let k = 0; k < envelopes.length; k++) {
        const envelope = envelopes.at(k) as Envelope;
        const event = admit(envelope, now, chunk.names);
        outcomes.begin(envelope);
        if (isRefusal(event)) {
          outcomes.refuse(event);
          outcomes.end();
          continue;
        }
        const pending = take(event, event.key, outcomes);
        if (!pending) {
          outcomes.end();
          continue;
        }
        late.push(endBehind(pending, outcomes));
        outcomes = new EventOutcomes(chunk);
        await parking.room(signal);
      }
    }
    return { chunk, late, moreDue: false };
  };
}

function endBehind(pending: Promise<void>, outcomes: EventOutcomes): Promise<void> {
  const ended = pending.then(() => outcomes.end());
  // Whoever awaits it comes later: until then a failure must not count as unhandled.
  ended.catch(() => {});
  return ended;
}
