import { ConfigError } from "../core/errors.ts";
import type { SourceGuardsPlan } from "../plan/guards.ts";
import type { Decision, EndPlan, PipelinePlan, StageCall, StagePlan, StreamPlan } from "../plan/plan.ts";
import type { WindowPlan } from "../plan/stage.ts";
import type { Aggregator } from "./aggregators/aggregator.ts";
import { checkOptions, names, optional } from "./check-options.ts";
import { type EnrichOptions, enrichPlan } from "./enrich.ts";
import type { EventDraft } from "./event.ts";
import { type SourceGuards, type StageGuards, sourceGuards, stageGuards } from "./guards.ts";
import type { RowFor, RowLike } from "./hints.ts";
import {
  dedupePlan,
  type FoldDraft,
  type FoldOptions,
  foldPlan,
  type Joined,
  type JoinOptions,
  joinPlan,
  type KeyedFoldOptions,
  latePlan,
  type ResultsOf,
  type WindowOf,
  windowPlan,
} from "./keyed.ts";
import type { MustDecide, SendTo } from "./outcome.ts";
import { type SinkRef, streamSink } from "./sinks.ts";
import { foldName, type KeptState } from "./state.ts";
import type { Carried, Stream } from "./stream.ts";
import type { WindowSpec } from "./window.ts";

/** A finished pipeline. */
export interface Pipeline {
  /** The pipeline as data. */
  readonly plan: PipelinePlan;
}

/** A pipeline in the making, whose values are `T` so far. Every verb returns a new builder. */
export interface PipelineBuilder<out T> {
  /** Lets through what `keep` holds for; the rest is dropped, counted under the stage's name. A type guard narrows. */
  filter<Narrow extends T>(name: string, keep: (value: T) => value is Narrow): PipelineBuilder<Narrow>;
  filter(name: string, keep: (value: T) => boolean): PipelineBuilder<T>;
  /**
   * Turns each value into another. A function that asks the world wants guards, and hands the `signal` of its second argument on to
   * what it waits for.
   */
  map<Next>(
    name: string,
    transform: (value: T, call: StageCall) => Next | Promise<Next>,
    guards?: StageGuards<T>,
  ): PipelineBuilder<Next>;
  /** Turns each value into any number of others; none counts as a drop under the stage's name. */
  flatMap<Next>(
    name: string,
    transform: (value: T, call: StageCall) => readonly Next[] | Promise<readonly Next[]>,
    guards?: StageGuards<T>,
  ): PipelineBuilder<Next>;
  /**
   * Puts each value together with what is found elsewhere under its key, such as the country of an address. Answers are kept for a while,
   * by key: values of one key share an answer, and one call while it is under way; failures are not kept. Guards protect `look`: what is
   * known already passes none of them.
   *
   * @example
   * ```ts
   * const countries = new Map([["203.0.113.7", "DE"]]);
   * pipeline("travels")
   *   .from(logins)
   *   .enrich("country", {
   *     key: (event) => event.data.ip ?? "",
   *     look: (ip) => countries.get(ip),
   *     combine: (event, country) => ({ user: event.data.userId, country }),
   *   });
   * ```
   */
  enrich<Found, Next>(name: string, options: EnrichOptions<T, Found, Next>, guards?: StageGuards<string>): PipelineBuilder<Next>;
  /**
   * Keeps a state for each key. It moves in the same step as the ack, so each event changes it exactly once, whatever
   * crashes. The values that `decide` returns go on; the keys of one partition are folded in the order of their events. Its name is a
   * text, or what `defineState` has made where others read the state too.
   */
  fold<State, Decided>(name: string | KeptState<State>, options: FoldOptions<T, State, Decided>): PipelineBuilder<Decided>;
  /** What the stage behind it keeps its states under. Use the stream's partition key, or a finer one. */
  keyBy(key: (value: T) => string): Keyed<T>;
  /**
   * Lets each event through once, by its id, as long as it is remembered: what a producer sends twice counts as `duplicate`. What
   * comes after that is let through again: nothing is ever lost by it.
   */
  dedupe(
    name: string,
    options?: {
      /**
       * How long an id is remembered at least, milliseconds, up to 24 days. Costs about 70 bytes of Redis an event. Streams take events that
       * are 400 days old: where one that comes again later must not count twice, give the stream a `maxAgeMs` no longer than this.
       * @default a day
       */
      readonly horizonMs?: number;
    },
  ): PipelineBuilder<T>;
  /** Ends the pipeline: each value becomes a row of one sink. */
  to<Row, const Result extends RowLike<Row>>(
    sink: SinkRef<Row>,
    toRow: (value: T) => Result & RowFor<NoInfer<Row>, Result>,
  ): Pipeline;
  /** Ends the pipeline: each value becomes an event on a stream of ours. */
  emit<E, const Draft extends EventDraft<string, unknown>>(
    stream: Stream<E>,
    toEvent: (value: T) => Draft & Carried<E, Draft>,
  ): Pipeline;
  /** Ends the pipeline: `decide` sends each value to one of the destinations (or to several, as an array), or says why not. */
  route<Destinations extends Readonly<Record<string, SinkRef<never>>>, Result>(
    destinations: Destinations,
    decide: (value: T, to: SendTo<Destinations>) => Result & MustDecide<Result>,
  ): Pipeline;
}

/** A pipeline in the making whose values have a key. */
export interface Keyed<T> {
  /** Gathers the values of each key by event time. */
  window(spec: WindowSpec): Windowed<T>;
  /** Keeps a state for each key, as `fold` without `keyBy` does. */
  fold<State, Decided>(name: string | KeptState<State>, options: KeyedFoldOptions<T, State, Decided>): PipelineBuilder<Decided>;
  /** Pairs values of two sides of each key whose times lie near enough to each other: each pair once, in whatever order they come. */
  join<Left, Right>(name: string, options: JoinOptions<T, Left, Right>): PipelineBuilder<Joined<Left, Right>>;
}

/** Values gathered in windows, before it is said what is made of them. */
export interface Windowed<T> {
  /** Where values go that come too late, as events. @default the dead letters keep them, under the reason `late` */
  late<E, const Draft extends EventDraft<string, unknown>>(
    stream: Stream<E>,
    toEvent: (value: T) => Draft & Carried<E, Draft>,
  ): Windowed<T>;
  /** What is made of the values of a window, by names of your own. */
  aggregate<const Aggregators extends Readonly<Record<string, Aggregator<T, unknown>>>>(
    aggregators: Aggregators,
  ): PipelineBuilder<WindowOf<ResultsOf<Aggregators>>>;
}

/** A pipeline without a source. */
export interface PipelineStart {
  /** Reads one stream, or several as one. Order is kept per key within each stream. */
  from<E>(...streams: readonly [Stream<E>, ...Stream<E>[]]): PipelineBuilder<E>;
  /** The same, behind guards that hold for all of them together. */
  from<E>(...guarded: readonly [Stream<E>, ...Stream<E>[], SourceGuards]): PipelineBuilder<E>;
}

/** What is said of a pipeline beside its stages. */
export interface PipelineOptions {
  /**
   * Keyed stages that were deployed and are there no more, by their names: their states are given up. Without it a worker refuses to
   * start where a keyed stage is gone, since it may only have been renamed.
   * @default none
   */
  readonly retired?: readonly string[];
}

interface Draft {
  readonly name: string;
  readonly retired?: readonly string[];
  readonly sources: readonly StreamPlan[];
  readonly sourceGuards?: SourceGuardsPlan;
  readonly idleMs?: number;
  readonly stages: readonly StagePlan[];
}

/**
 * Begins a pipeline. Its name is the name of its consumer group: keep it once it has run. So are the names of its keyed stages those
 * of their states.
 *
 * @throws ConfigError when the name is not lower-case letters, digits and hyphens, or a stage's name is used twice
 * @example
 * ```ts
 * const failures = defineTable("failures", { columns: { event_id: c.uuid(), user_id: c.string() }, orderBy: ["user_id", "event_id"] });
 * export const loginFailures = pipeline("login-failures")
 *   .from(logins)
 *   .filter("failed", (event) => event.type === "login.failed")
 *   .to(clickhouse(failures), (event) => ({ event_id: event.id, user_id: event.data.userId }));
 * ```
 */
export function pipeline(name: string, options: PipelineOptions = {}): PipelineStart {
  if (!/^[a-z][a-z0-9-]*$/.test(name)) {
    throw new ConfigError("config.invalid", `pipeline '${name}': not a name for a pipeline`, {
      hint: "Use lower-case letters, digits and hyphens.",
    });
  }
  checkOptions(`pipeline '${name}'`, options, { retired: optional(names) });
  return {
    from: (...given: readonly (Stream<unknown> | SourceGuards)[]) => {
      const last = given.at(-1);
      const guards = last && !("plan" in last) ? last : undefined;
      const sources = (guards ? given.slice(0, -1) : given).map((stream) => (stream as Stream<unknown>).plan);
      const twice = sources.find((source, i) => sources.some((other, k) => k < i && other.name === source.name));
      if (twice) {
        throw new ConfigError("config.invalid", `pipeline '${name}': reads stream '${twice.name}' twice`, {
          hint: "Name each stream once.",
        });
      }
      checkOptions(`pipeline '${name}', guards of its source`, guards, sourceGuards);
      const { idleMs, ...others } = (guards ?? {}) as SourceGuards & SourceGuardsPlan;
      const more = { ...options, ...(guards && { sourceGuards: others }), ...(idleMs !== undefined && { idleMs }) };
      return builder({ name, sources, ...more, stages: [] });
    },
  };
}

function builder<T>(draft: Draft): PipelineBuilder<T> {
  const placeOf = (stage: string) => `stage '${stage}' of pipeline '${draft.name}'`;
  const add = (stage: StagePlan) => {
    if (draft.stages.some((other) => other.name === stage.name)) {
      throw new ConfigError("config.invalid", `pipeline '${draft.name}': two stages are called '${stage.name}'`, {
        hint: "Give each stage a name of its own: reasons and counts are kept under it.",
      });
    }
    if (/[\n]/.test(stage.name) || stage.name === "") {
      throw new ConfigError("config.invalid", `pipeline '${draft.name}': a stage cannot be called '${stage.name}'`, {
        hint: "Give it a name of one line.",
      });
    }
    if ("guards" in stage) checkOptions(placeOf(stage.name), stage.guards, stageGuards);
    return builder<never>({ ...draft, stages: [...draft.stages, stage] });
  };
  const addFold = (given: string | KeptState<unknown>, options: FoldDraft) => {
    const name = foldName(given, draft.name);
    return add(foldPlan(placeOf(name), name, options));
  };
  const windowed = (key: (value: T) => string, spec: WindowSpec, late: WindowPlan["late"]): Windowed<T> => ({
    late: (stream, toEvent) => windowed(key, spec, latePlan(stream.plan, toEvent)),
    aggregate: (aggregators) => add(windowPlan(placeOf(spec.plan.name), { key, spec, late, aggregators })),
  });
  const end = (end: EndPlan): Pipeline => ({ plan: { kind: "pipeline", ...draft, end } });
  return {
    filter: (name: string, keep: (value: T) => boolean) => add({ kind: "filter", name, keep }),
    map: (name, transform, guards) => add({ kind: "map", name, transform, guards }),
    flatMap: (name, transform, guards) => add({ kind: "flatMap", name, transform, guards }),
    enrich: (name, options, guards) => add(enrichPlan(placeOf(name), name, { ...options, guards })),
    fold: (name, options) => addFold(name, options),
    dedupe: (name, options = {}) => add(dedupePlan(placeOf(name), name, options)),
    keyBy: (key) => ({
      window: (spec) => windowed(key, spec, undefined),
      fold: (name, options) => addFold(name, { ...options, key }),
      join: (name, options) => add(joinPlan(placeOf(name), name, { ...options, key })),
    }),
    to: (sink, toRow) => end({ kind: "to", sink: sink.plan, toRow }),
    emit: (stream, toEvent) => end({ kind: "to", sink: streamSink(stream), toRow: toEvent }),
    route: (destinations, decide) =>
      end({
        kind: "route",
        destinations: Object.fromEntries(Object.entries(destinations).map(([name, sink]) => [name, sink.plan])),
        decide: decide as (value: T, to: never) => Decision,
      }),
  };
}
