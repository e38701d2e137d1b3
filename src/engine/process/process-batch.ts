import type { Partition } from "../../bus/partition.ts";
import type { Entry } from "../../bus/port.ts";
import { RetryableError } from "../../core/errors.ts";
import type { RateLimit } from "../../core/rate-limit.ts";
import { type PipelinePlan, type StreamPlan, sinksOf } from "../../plan/plan.ts";
import { isFault } from "../../stages/admit.ts";
import { compileFlow } from "../../stages/flow.ts";
import type { Run } from "../../stages/run.ts";
import type { Batch } from "../read/batch.ts";
import { BySections } from "./by-sections.ts";
import { EventOutcomes } from "./event-outcomes.ts";
import { compileGate, openEntries } from "./open-entries.ts";
import type { CompiledProcess, OpenContext, ProcessBatch, ProcessResult } from "./processing.ts";
import { BatchResults } from "./results.ts";
import { untilDecided } from "./until-decided.ts";

export interface ProcessOptions {
  readonly pipeline: PipelinePlan;
  readonly stream: StreamPlan;
  readonly partition: Partition;
  /** Events that go through the stages together, where some of those keep state. */
  readonly portionEvents: number;
  /** Of the source. */
  readonly limit: RateLimit | undefined;
}

/**
 * Compiles what a pipeline does with the batches of one partition. Where no stage keeps state, each event goes straight through, and
 * what has to wait comes later; else all events go through one section of the stages after another (by-sections.ts), as many of the
 * batch as one commit can carry.
 */
export function compileProcess({ pipeline, stream, partition, portionEvents, limit }: ProcessOptions): ProcessBatch {
  const flow = compileFlow(pipeline);
  const compiled: CompiledProcess = {
    pipeline: pipeline.name,
    partition,
    gate: compileGate(stream),
    derives: new Set(Object.entries(sinksOf(pipeline)).flatMap(([name, { kind }]) => (kind === "stream" ? [name] : []))),
    about: { partition: partition.name, pipeline: pipeline.name },
  };
  const process =
    flow.kind === "straight"
      ? straight(flow.run, compiled)
      : bySections(new BySections(flow.sections, compiled, { portionEvents, goesOn: limit === undefined }));
  return paced(async (batch, context) => {
    try {
      return await process(batch, { ...context, names: await context.names() });
    } catch (error) {
      if (!(error instanceof RetryableError)) throw error;
      return { kind: "again", error };
    }
  }, limit);
}

type Process = (batch: Batch, context: OpenContext) => Promise<ProcessResult>;

const bySections =
  (sections: BySections): Process =>
  (batch, { keyed, ...context }) => {
    if (!keyed) throw new Error(`a stage of '${batch.fence.pipeline}' keeps state, and there is none`);
    return sections.process(batch, { ...context, ...keyed });
  };

/** Takes each event through all stages at once. */
function straight(run: Run, compiled: CompiledProcess): Process {
  const { pipeline, derives, about } = compiled;
  return async ({ entries }, { names, ...context }) => {
    const { clock, queue, signal } = context;
    const results = new BatchResults(pipeline, { derives, names, signal });
    const take = untilDecided(run, { ...context, about });
    const late: Promise<void>[] = [];
    let outcomes = new EventOutcomes(results);
    await openEntries(entries, { ...compiled, results, now: clock.now() }, (event, envelope) => {
      outcomes.begin(envelope);
      if (isFault(event)) return outcomes.refuse(event);
      const pending = take(event, event.key, outcomes);
      if (!pending) return outcomes.end();
      late.push(endBehind(pending, outcomes));
      outcomes = new EventOutcomes(results);
      return queue.waitForRoom(signal);
    });
    return { kind: "processed", results, late, moreDue: false };
  };
}

function endBehind(pending: Promise<void>, outcomes: EventOutcomes): Promise<void> {
  const ended = pending.then(() => outcomes.end());
  // Whoever awaits it comes later: until then a failure must not count as unhandled.
  ended.catch(() => {});
  return ended;
}

/**
 * Holds what was read back until the source's limit lets it through. Meanwhile nothing more is read, and Redis keeps the rest.
 * Entries that are tried again have paid already, and so have those for which a commit had no room.
 */
function paced(process: ProcessBatch, limit: RateLimit | undefined): ProcessBatch {
  if (limit === undefined) return process;
  const paid = new WeakSet<Entry>();
  return async (batch, context) => {
    const unpaid = batch.entries.filter((entry) => !paid.has(entry));
    const events = unpaid.reduce((sum, entry) => sum + entry.events, 0);
    if (events > 0) await limit.take(events, context.signal);
    // What was not let through is left to the next owner.
    if (events > 0 && context.signal.aborted) return { kind: "again", error: stopping() };
    for (const entry of unpaid) paid.add(entry);
    return process(batch, context);
  };
}

const stopping = () => new RetryableError("stop.asked", "the worker stops while the source's limit holds its entries back");
