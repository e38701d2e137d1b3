import { Context } from "@temporalio/activity";
import { createArchive } from "../../archive/verbs.ts";
import { Producer } from "../../bus/producer.ts";
import { timeOf } from "../../bus/redis/server.ts";
import { agreedTime } from "../../core/agreed-time.ts";
import { systemClock } from "../../core/clock.ts";
import { TerminalError } from "../../core/errors.ts";
import { eventId } from "../../core/hash.ts";
import { Caller } from "../../participant/caller.ts";
import { findStates } from "../../state/find-states.ts";
import { cleanLogs } from "../clean-logs.ts";
import { openArchive } from "../open-archive.ts";
import { clickhouseClient, openBus, openMarks, openRedis, openRegistry } from "../services.ts";
import { participantsToken } from "./participants-token.ts";
import type { RoleContext } from "./role.ts";
import { statesOf } from "./states-of.ts";

/** An event that an activity tells; the same id is the same event, however often it is told. */
interface Announced {
  readonly id: string;
  readonly type: string;
  readonly time: Date;
  readonly data: object;
}

/** What activities get of the world: the participants where they are alive, the streams, and the states that pipelines keep. */
export async function openActivityDeps({ app, others, instance, logger, where }: RoleContext) {
  const bus = await openBus(where, logger);
  const redis = await openRedis(where, logger, "headrace-activities");
  const registry = await openRegistry(where, logger);
  // Not asked whether it answers: sagas that do without it must start while it is away.
  const clickhouse = app.archives.length > 0 ? clickhouseClient(where) : undefined;
  const marks = clickhouse && (await openMarks(where, logger));
  const archive = marks && openArchive(app, { clickhouse, marks, where });
  // A call ends with its activity.
  const signalOfCall = () => Context.current().cancellationSignal;
  const caller = new Caller({ registry, clock: systemClock, logger, signalOfCall, token: participantsToken(where) });
  const pipelines = [...app.pipelines, ...others];
  const producers = new Map<string, Producer>();
  const producerOf = (name: string): Producer => {
    const stream = named(app.streams, name, "stream");
    const producer =
      producers.get(name) ??
      new Producer({ stream, producer: `sagas/${instance}`, lingerMs: 5 }, { bus, clock: systemClock, logger });
    producers.set(name, producer);
    return producer;
  };
  // An activity that meets a service that is away fails, and is tried again.
  const deps = {
    ...(archive && { archive: createArchive(archive) }),
    cleanLogs: (beat: () => void) => cleanLogs({ app, bus, archive, beat }),
    participant: (name: string) => caller.client(name),
    stateOf: async (pipeline: string, key: string) => {
      const [found] = await findStates(named(pipelines, pipeline, "pipeline"), key, bus);
      return found && { state: found.state, updatedAt: Date.parse(found.updatedAt) };
    },
    statesOf: (pipeline: string) => statesOf(pipelines, pipeline, redis),
    now: async () => agreedTime("Redis", timeOf(await redis.send("", ["TIME"]))),
    announce: async (stream: string, { id, type, time, data }: Announced) => {
      const event = { id: eventId(id), type, time: time.getTime(), source: "sagas", traceparent: undefined, data };
      await (await producerOf(stream).send(event)).stored;
    },
  };
  return {
    deps,
    close: async () => {
      await Promise.all([...producers.values()].map((producer) => producer.flush().catch(() => {})));
      await caller.close();
      await registry.close();
      await marks?.close();
      await clickhouse?.close();
      await redis.close();
      await bus.close();
    },
  };
}

function named<One extends { readonly name: string }>(all: readonly One[], name: string, what: string): One {
  const found = all.find((one) => one.name === name);
  if (found) return found;
  throw new TerminalError("event.invalid", `there is no ${what} '${name}'`, {
    hint: `The application has ${all.map((one) => one.name).join(", ")}.`,
  });
}
