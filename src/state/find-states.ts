import { partitionsOf } from "../bus/partition.ts";
import type { LogOperations } from "../bus/port.ts";
import { isKeyed } from "../plan/keyed-state.ts";
import type { PipelinePlan } from "../plan/plan.ts";
import { nameOf } from "./names.ts";
import { parseState, type StateRecord } from "./record.ts";

/** What a stage keeps for a key, as it is stored. */
export interface StateFound {
  /** The stage that keeps it. */
  readonly stage: string;
  /** Where it lies, such as `carts/03`. */
  readonly partition: string;
  /** What it keeps. */
  readonly state: unknown;
  /** What is to fire, by which clock, and when (ISO 8601). */
  readonly timers: readonly { readonly timer: string; readonly clock: "event" | "processing"; readonly at: string }[];
  /** When it was written, ISO 8601. */
  readonly updatedAt: string;
}

/**
 * Looks for a key in all stages and partitions of a pipeline: a stage's key need not be the one that events are partitioned by.
 * @throws TerminalError `state.unreadable`
 */
export async function findStates(
  pipeline: PipelinePlan,
  key: string,
  bus: Pick<LogOperations, "peek">,
): Promise<readonly StateFound[]> {
  const stages = pipeline.stages.filter(isKeyed).map(({ name }) => name);
  const places = pipeline.sources.flatMap(partitionsOf).flatMap((partition) => stages.map((stage) => ({ partition, stage })));
  const found = await Promise.all(
    places.map(async ({ partition, stage }) => {
      const json = await bus.peek(partition, pipeline.name, nameOf(stage, key));
      return json === null ? [] : [describe(parseState({ stage, key }, json), { stage, partition: partition.name })];
    }),
  );
  return found.flat();
}

function describe({ s, t = {}, at }: StateRecord, place: Pick<StateFound, "stage" | "partition">): StateFound {
  const timers = Object.entries(t)
    .filter(([, [, , fired]]) => !fired)
    .map(([timer, [clock, time]]) => ({
      timer,
      clock: clock === "e" ? ("event" as const) : ("processing" as const),
      at: new Date(time).toISOString(),
    }));
  return { ...place, state: s, timers, updatedAt: new Date(at).toISOString() };
}
