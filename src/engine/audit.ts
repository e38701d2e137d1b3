import { partitionsOf } from "../bus/partition.ts";
import type { LogOperations } from "../bus/port.ts";
import type { PipelinePlan } from "../plan/plan.ts";

/** The balance of a pipeline: `read = delivered + dropped + deadLettered + duplicate + late + inFlight`, in events. */
export interface Audit {
  /** Its name. */
  readonly pipeline: string;
  /** Events that workers were given. */
  readonly read: number;
  /** Events that have reached a destination. */
  readonly delivered: number;
  /**
   * Rows and events that no single event has caused, such as those of a window that closes or a timer that fires. No part of `read`:
   * events have caused them together, and each of those has an outcome of its own.
   */
  readonly emitted: number;
  /** Events that a stage or a route has dropped, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  /** Events that were set aside, by reason. */
  readonly deadLettered: Readonly<Record<string, number>>;
  /** Events that came again under the id of an earlier one. */
  readonly duplicate: number;
  /** Events that came behind the end of their window. */
  readonly late: number;
  /** Given to a worker and not yet settled. */
  readonly inFlight: number;
  /**
   * Removed from a stream before the pipeline was given it: no part of `read`. While unread entries lie behind the gap, a removed
   * entry counts as one event, however many it held.
   */
  readonly lost: number;
  /**
   * Stored, and gone from Redis since (it was flushed, restored, died before its log was on disk, or a replica that lagged was
   * promoted), as far as producers and workers have noticed: no part of `read`. Tables may hold rows of those that were read before.
   * Counts also what the pipeline has emitted, and what is gone from where it was stored.
   */
  readonly vanished: number;
  /** The counts agree, and nothing has vanished: where events are gone, counts that agree prove nothing. */
  readonly balanced: boolean;
}

/**
 * Adds up the ledgers of all partitions of a pipeline. `read` was counted when entries were given out, the outcomes when
 * they were committed, and `inFlight` is counted here, from the entries that are pending: three counts that must agree.
 */
export async function audit(pipeline: PipelinePlan, bus: LogOperations): Promise<Audit> {
  const states = await Promise.all(
    pipeline.sources.flatMap(partitionsOf).map((partition) => bus.state(partition, pipeline.name)),
  );
  const total = (counter: string) => states.reduce((sum, { counts }) => sum + (counts[counter] ?? 0), 0);
  const byReason = (outcome: string) => {
    const reasons = new Set(
      states.flatMap(({ counts }) => Object.keys(counts).filter((counter) => counter.startsWith(`${outcome}:`))),
    );
    return Object.fromEntries(
      [...reasons]
        .sort()
        .map((counter) => [counter.slice(outcome.length + 1), total(counter)] as const)
        .filter(([, n]) => n !== 0),
    );
  };
  const sum = (reasons: Readonly<Record<string, number>>) => Object.values(reasons).reduce((all, one) => all + one, 0);
  const [read, delivered, duplicate, late] = [total("read"), total("delivered"), total("duplicate"), total("late")];
  const emitted = total("emitted");
  const dropped = byReason("dropped");
  const deadLettered = byReason("deadLettered");
  const inFlight = states.reduce((all, { pendingEvents }) => all + pendingEvents, 0);
  const lost = states.reduce((all, state) => all + state.lost.events, 0);
  const vanished = states.reduce((all, state) => all + state.vanished, 0);
  const outcomes = delivered + sum(dropped) + sum(deadLettered) + duplicate + late;
  const balanced = read === outcomes + inFlight && vanished === 0;
  const outcomesOf = { read, delivered, emitted, dropped, deadLettered, duplicate, late };
  return { pipeline: pipeline.name, ...outcomesOf, inFlight, lost, vanished, balanced };
}
