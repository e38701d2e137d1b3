import { Context } from "@temporalio/activity";
import { createArchive } from "../archive/verbs.ts";
import type { AppendLog } from "../bus/port.ts";
import { Producer } from "../bus/producer.ts";
import { agreedTime } from "../core/agreed-time.ts";
import { systemClock } from "../core/clock.ts";
import { ConfigError } from "../core/errors.ts";
import { getOrMake } from "../core/get-or-make.ts";
import { eventId } from "../core/hash.ts";
import { openAll } from "../core/opened.ts";
import { Caller } from "../participant/caller.ts";
import type { ClientOf, Participant } from "../participant/participant.ts";
import type { ArchiveVerbs } from "../plan/archive.ts";
import { type TimeReply, timeOf } from "../redis/server.ts";
import { createClickHouse } from "../sinks/clickhouse/client.ts";
import { findStates } from "../state/find-states.ts";
import { type CleanedLogs, cleanLogs, type KeepLogs } from "./clean-logs.ts";
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

/** An event that an activity tells; the same id is the same event, however often it is told. */
export interface AnnouncedEvent {
  /** The same for the same event: the key of the step, for one. */
  readonly id: string;
  /** One of the types that the stream carries. */
  readonly type: string;
  /** When it happened. A repeat must say the same. */
  readonly time: Date;
  /** Its data, as the schema of the type takes it. */
  readonly data: object;
}

/**
 * What activities get of the world. Where a service is away its calls reject with a RetryableError: the activity fails, and Temporal
 * tries it again.
 *
 * @example
 * ```ts
 * import type { ActivityDeps } from "headrace/host";
 * export const createActivities = ({ announce, now }: ActivityDeps) => ({
 *   tellLogin: async (id: string, userId: string) =>
 *     announce("logins", { id, type: "login.failed", time: new Date(await now()), data: { userId, ip: "203.0.113.7" } }),
 * });
 * ```
 */
export interface ActivityDeps {
  /** A participant, wherever it is alive. */
  participant<P extends Participant>(name: P["name"]): ClientOf<P>;
  /** What a pipeline keeps under a key, and when it was written, milliseconds since the epoch; `undefined` where it keeps nothing. */
  stateOf(pipeline: string, key: string): Promise<{ readonly state: unknown; readonly updatedAt: number } | undefined>;
  /** What the first keyed stage of a pipeline keeps, some at a time. A state that moves meanwhile may be seen twice. */
  statesOf(pipeline: string): AsyncIterable<readonly [key: string, state: unknown, updatedAt: number]>;
  /** The time of Redis, milliseconds since the epoch: of what keeps states. Rejects where this machine's is another. */
  now(): Promise<number>;
  /** Stores an event in a stream of the application, once for each id. */
  announce(stream: string, event: AnnouncedEvent): Promise<void>;
  /** Removes dead letters and archives that are older than they are kept; `beat` is called as it goes on. */
  cleanLogs(beat: () => void): Promise<CleanedLogs>;
  /** There where the application archives something. */
  readonly archive?: ArchiveVerbs;
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
    const caller = new Caller({ registry, clock: systemClock, logger, signalOfCall, token: participantsToken() });
    opened.add(caller, (one) => one.close());
    const announcer = createAnnouncer(context, bus);
    opened.add(announcer, (one) => one.flush());
    const pipelines = [...app.pipelines, ...others];
    const deps: ActivityDeps = {
      ...(archive && { archive: createArchive(archive) }),
      cleanLogs: (beat) => cleanLogs({ app, bus, archive, keep, beat }),
      participant: (name) => caller.client(name),
      stateOf: async (pipeline, key) => {
        const [found] = await findStates(named(pipelines, pipeline, "pipeline"), key, bus);
        return found && { state: found.state, updatedAt: Date.parse(found.updatedAt) };
      },
      statesOf: (pipeline) => statesOf(pipelines, pipeline, redis),
      now: async () => agreedTime("Redis", timeOf(await redis.send<TimeReply>("", ["TIME"]))),
      announce: announcer.announce,
    };
    return { deps, close: () => opened.close() };
  });
}

/** Stores events of activities; a producer for each stream. */
function createAnnouncer({ app, instance, logger }: RoleContext, bus: AppendLog) {
  const producers = new Map<string, Producer>();
  const open = (name: string) =>
    new Producer(
      { stream: named(app.streams, name, "stream"), producer: `sagas/${instance}`, lingerMs: 5 },
      { bus, clock: systemClock, logger },
    );
  return {
    announce: async (stream: string, { id, type, time, data }: AnnouncedEvent): Promise<void> => {
      const event = { id: eventId(id), type, time: time.getTime(), source: "sagas", traceparent: undefined, data };
      await (await getOrMake(producers, stream, () => open(stream)).send(event)).stored;
    },
    flush: () => Promise.all([...producers.values()].map((producer) => producer.flush().catch(() => {}))),
  };
}

function named<One extends { readonly name: string }>(all: readonly One[], name: string, what: string): One {
  const found = all.find((one) => one.name === name);
  if (found) return found;
  throw new ConfigError("usage", `there is no ${what} '${name}'`, {
    hint: `The application has ${all.map((one) => one.name).join(", ")}.`,
  });
}
