import { Context } from "@temporalio/activity";
import type { CleanedLogs } from "../archive/activities.ts";
import { createArchive } from "../archive/verbs.ts";
import { agreedTime } from "../core/agreed-time.ts";
import { systemClock } from "../core/clock.ts";
import { openAll } from "../core/open-resources.ts";
import type { KeptState } from "../dsl/state.ts";
import { Caller } from "../participant/caller.ts";
import type { ClientOf, Participant } from "../participant/participant.ts";
import type { ArchiveVerbs } from "../plan/archive.ts";
import { type TimeReply, timeOf } from "../redis/server.ts";
import { createClickHouse } from "../sinks/clickhouse/client.ts";
import { stateLooks } from "../state/kept.ts";
import { traceparentOfActivity } from "../trace/activity.ts";
import { type Announce, createAnnouncer } from "./announcer.ts";
import { cleanLogs, type KeepLogs } from "./clean-logs.ts";
import { type ArchiveAddress, openArchive } from "./open-archive.ts";
import type { RoleContext } from "./role.ts";
import { openBus, openMarks, openRedis, openRegistry } from "./services.ts";
import { statesOf } from "./states-of.ts";

export interface ActivityDepsOptions {
  /** What participants ask of their callers; none where they ask nothing. Asked for where there are activities. */
  readonly participantsToken: () => string | undefined;
  /** Where archived days go. Asked for where the application archives something. */
  readonly archive: () => ArchiveAddress;
  /** For how long logs are kept. */
  readonly keep: KeepLogs;
  /** What the dead letters of one partition may take of Redis' memory, bytes. */
  readonly deadLetterBytes: number;
}

/**
 * What activities get of the world; `createActivities` of an application takes it whole, or what it needs of it. Where a service is away
 * its calls reject with a RetryableError: the activity fails, and Temporal tries it again.
 *
 * @example
 * ```ts
 * import type { ActivityDeps } from "headrace/host";
 *
 * const told = defineEvent("order.placed", z.object({ orderId: z.string() }), { key: ({ orderId }) => orderId });
 * const orders = defineStream("orders", { events: [told] });
 * const createActivities = ({ announce }: ActivityDeps) => ({
 *   tell: (key: string, orderId: string) => announce(orders, { id: key, ...told({ orderId }) }),
 * });
 * ```
 */
export interface ActivityDeps extends StateDeps {
  /** A participant, wherever it is alive. */
  participant<P extends Participant>(name: P["name"]): ClientOf<P>;
  /** The time of Redis, milliseconds since the epoch: of what keeps states. Rejects where this machine's is another. */
  now(): Promise<number>;
  /** Stores an event in a stream of the application, once for each id. */
  readonly announce: Announce;
  /**
   * The `traceparent` (W3C Trace Context) of the event for which the workflow has called the activity, undefined where it carries none. What is
   * announced and asked of participants carries it on by itself; this is for calls of other systems.
   */
  traceparent(): string | undefined;
  /** Removes dead letters and archives that are older than they are kept; `beat` is called as it goes on. */
  cleanLogs(beat: () => void): Promise<CleanedLogs>;
  /** There where the application archives something. */
  readonly archive?: ArchiveVerbs;
}

/** What a fold keeps of a key, in the form of the code that runs here: a state of an older version was brought up by its `migrate`. */
export interface KeptOf<State> {
  /** As it was committed last. */
  readonly state: State;
  /** When it was written, by the clock of its worker, milliseconds since the epoch. */
  readonly updatedAt: number;
}

/** Looks at what folds keep. All of it was committed; what is under way shows later. */
export interface StateDeps {
  /** What a fold keeps of a key; `undefined` where it keeps nothing. */
  stateOf<State>(state: KeptState<State>, key: string): Promise<KeptOf<State> | undefined>;
  /** Looks at a state until `holds`, for 5 s; then rejects with a RetryableError `state.behind`, and Temporal tries the activity again. */
  untilState<State>(
    state: KeptState<State>,
    key: string,
    holds: (state: State | undefined) => boolean,
  ): Promise<KeptOf<State> | undefined>;
  /** All that a fold keeps, some at a time. A state that moves meanwhile may be seen twice. */
  statesOf<State>(state: KeptState<State>): AsyncIterable<readonly [key: string, state: State, updatedAt: number]>;
}

/** Opens what activities get. */
export async function openActivityDeps(
  context: RoleContext,
  { participantsToken, archive: archiveAt, keep, deadLetterBytes }: ActivityDepsOptions,
): Promise<{ readonly deps: ActivityDeps; readonly close: () => Promise<void> }> {
  const { app, others, logger, at } = context;
  return openAll(async (opened) => {
    const bus = opened.add(await openBus(at.redis(), logger, deadLetterBytes), (one) => one.close());
    const redis = opened.add(await openRedis(at.redis(), logger, "headrace-activities"), (one) => one.close());
    const registry = opened.add(await openRegistry(at.redis(), logger), (one) => one.close());
    // Not asked whether it answers: sagas that do without it must start while it is away.
    const clickhouse = app.archives.length > 0 && opened.add(createClickHouse(at.clickhouse()), (one) => one.close());
    const marks = clickhouse && opened.add(await openMarks(at.redis(), logger), (one) => one.close());
    const archive = marks ? openArchive(app, { clickhouse, marks, at: archiveAt() }) : undefined;
    // A call ends with its activity.
    const signalOfCall = () => Context.current().cancellationSignal;
    const caller = new Caller({
      ...{ registry, clock: systemClock, logger, signalOfCall },
      traceparentOfCall: traceparentOfActivity,
      token: participantsToken(),
    });
    opened.add(caller, (one) => one.close());
    const announcer = createAnnouncer(context, bus);
    opened.add(announcer, (one) => one.flush());
    const pipelines = [...app.pipelines, ...others];
    const states = {
      ...stateLooks(pipelines, { bus, clock: systemClock, signalOfCall }),
      statesOf: (state: KeptState<unknown>) => statesOf(pipelines, state.plan, redis),
    };
    const deps: ActivityDeps = {
      // The types of states are those of their declarations, which the folds were given.
      ...(states as StateDeps),
      ...(archive && { archive: createArchive(archive) }),
      cleanLogs: (beat) => cleanLogs({ app, bus, archive, keep, beat }),
      participant: (name) => caller.client(name),
      now: async () => agreedTime("Redis", timeOf(await redis.send<TimeReply>("", ["TIME"]))),
      announce: announcer.announce,
      traceparent: traceparentOfActivity,
    };
    return { deps, close: () => opened.close() };
  });
}
