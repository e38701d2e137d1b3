import { type Partition, partitionIndex, partitionsOf } from "../bus/partition.ts";
import type { LogOperations } from "../bus/port.ts";
import { backoffMs } from "../core/backoff.ts";
import type { Clock } from "../core/clock.ts";
import { seconds } from "../core/duration.ts";
import { ConfigError, RetryableError } from "../core/errors.ts";
import { nth } from "../core/nth.ts";
import type { FoldPlan, PipelinePlan, StreamPlan } from "../plan/plan.ts";
import type { StatePlan } from "../plan/stage.ts";
import { nameOf, splitName } from "./names.ts";
import { inForm, parseState } from "./record.ts";

/** What a fold keeps of a key, in the form of the code that runs here. */
export interface Kept<State = unknown> {
  readonly state: State;
  /** When it was written, by the clock of its worker, milliseconds since the epoch. */
  readonly updatedAt: number;
}

/** The fold that keeps a state, and its pipeline. @throws ConfigError where there is none */
export function keeperOf(
  pipelines: readonly PipelinePlan[],
  state: StatePlan,
): { readonly pipeline: PipelinePlan; readonly fold: FoldPlan } {
  const pipeline = pipelines.find(({ name }) => name === state.pipeline);
  const fold = pipeline?.stages.find((stage): stage is FoldPlan => stage.kind === "fold" && stage.name === state.name);
  if (pipeline && fold) return { pipeline, fold };
  throw new ConfigError(
    "config.invalid",
    `state '${state.name}': ${pipeline ? `pipeline '${pipeline.name}' has no fold of that name` : `there is no pipeline '${state.pipeline}'`}`,
    { hint: "Give the declared state to the fold that keeps it: .fold(state, { … })." },
  );
}

/** @throws TerminalError `state.unreadable`; ConfigError where it is of another form, and the fold does not bring it up */
function readKept(name: { readonly stage: string; readonly key: string }, json: string, fold: FoldPlan): Kept {
  const record = parseState(name, json);
  return { state: inForm(name, record, fold), updatedAt: record.at };
}

/**
 * All that a fold keeps, of what its partitions hold.
 * @throws once all others were given, as `readKept`
 */
export async function* keptOf(
  fold: FoldPlan,
  stored: AsyncIterable<readonly [name: string, json: string]>,
): AsyncIterable<readonly [key: string, state: unknown, updatedAt: number]> {
  let unreadable: unknown;
  for await (const [text, json] of stored) {
    const name = splitName(text);
    if (name.stage !== fold.name) continue;
    let kept: Kept;
    try {
      kept = readKept(name, json, fold);
    } catch (error) {
      unreadable ??= error;
      continue;
    }
    yield [name.key, kept.state, kept.updatedAt];
  }
  if (unreadable) throw unreadable;
}

/**
 * What a fold keeps of a key, as it was committed last; undefined where it keeps nothing. Where the key is the one that events are
 * partitioned by, one partition is asked; a finer one may lie in any.
 * @throws as `keeperOf` and `readKept`
 */
export async function findKept(
  pipelines: readonly PipelinePlan[],
  { state, key, bus }: { readonly state: StatePlan; readonly key: string; readonly bus: Pick<LogOperations, "peek"> },
): Promise<Kept | undefined> {
  const { pipeline, fold } = keeperOf(pipelines, state);
  const name = { stage: fold.name, key };
  const look = async (partitions: readonly Partition[]) => {
    const found = await Promise.all(partitions.map((one) => bus.peek(one, pipeline.name, nameOf(fold.name, key))));
    return found.find((json) => json !== null);
  };
  const likely = pipeline.sources.map((stream) => partitionFor(stream, key));
  const others = pipeline.sources.flatMap(partitionsOf).filter((one) => !likely.some(({ log }) => log === one.log));
  const json = (await look(likely)) ?? (await look(others));
  return json == null ? undefined : readKept(name, json, fold);
}

function partitionFor(stream: StreamPlan, key: string): Partition {
  const partitions = partitionsOf(stream);
  return nth(partitions, partitionIndex(key, partitions.length));
}

const between = { initialMs: 40, maxMs: 500 } as const;
/** How long one try of an activity waits for a state, milliseconds. */
const waitMs = seconds(5);

/**
 * Looks at what is kept until `holds`, for 5 s, and gives what it found.
 * @throws RetryableError `state.behind` when it does not come true in time; what `signal` was aborted with
 */
export async function untilKept(
  look: () => Promise<Kept | undefined>,
  holds: (state: unknown) => boolean,
  { clock, signal, what }: { readonly clock: Clock; readonly signal?: AbortSignal; readonly what: string },
): Promise<Kept | undefined> {
  const since = clock.monotonic();
  for (let attempt = 0; ; attempt++) {
    signal?.throwIfAborted();
    const found = await look();
    if (holds(found?.state)) return found;
    if (clock.monotonic() - since >= waitMs) {
      throw new RetryableError("state.behind", `${what} is not yet as it should be, after ${waitMs} ms`, {
        hint: "The pipeline that keeps it is behind, or does not run.",
      });
    }
    await clock.sleep(
      backoffMs(attempt, between, () => 1),
      signal,
    );
  }
}

/** What activities look at states with. */
export interface StateLooks {
  readonly stateOf: (state: { readonly plan: StatePlan }, key: string) => Promise<Kept | undefined>;
  readonly untilState: (
    state: { readonly plan: StatePlan },
    key: string,
    holds: (state: unknown) => boolean,
  ) => Promise<Kept | undefined>;
}

/** @param world `signalOfCall`: ends with whoever waits */
export function stateLooks(
  pipelines: readonly PipelinePlan[],
  world: { readonly bus: Pick<LogOperations, "peek">; readonly clock: Clock; readonly signalOfCall: () => AbortSignal },
): StateLooks {
  const { bus, clock, signalOfCall } = world;
  const stateOf: StateLooks["stateOf"] = ({ plan }, key) => findKept(pipelines, { state: plan, key, bus });
  return {
    stateOf,
    untilState: (state, key, holds) =>
      untilKept(() => stateOf(state, key), holds, {
        clock,
        signal: signalOfCall(),
        what: `the state '${state.plan.name}' of '${key}'`,
      }),
  };
}
