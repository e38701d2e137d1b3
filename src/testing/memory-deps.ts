import { Context } from "@temporalio/activity";
import { ApplicationFailure } from "@temporalio/common";
import { expireArchives } from "../archive/expire.ts";
import type { ArchiveDeps } from "../archive/port.ts";
import { createArchive } from "../archive/verbs.ts";
import { partitionsOf } from "../bus/partition.ts";
import type { Clock } from "../core/clock.ts";
import { eventId } from "../core/hash.ts";
import type { KeptState } from "../dsl/state.ts";
import type { Stream } from "../dsl/stream.ts";
import { usedStream } from "../dsl/used-stream.ts";
import { cleanDeadLetters } from "../engine/clean-dead-letters.ts";
import type { ActivityDeps, AnnouncedDraft, KeepLogs } from "../host/index.ts";
import { Refusal } from "../participant/participant.ts";
import type { AppPlan, PipelinePlan } from "../plan/plan.ts";
import { keeperOf, keptOf, stateLooks } from "../state/kept.ts";
import { traceparentOfActivity } from "../trace/activity.ts";
import type { TestLog } from "./test-log.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** What participants answer, by participant and verb. A verb that is left out answers nothing. */
export type StandIns = Readonly<Record<string, Readonly<Record<string, (request: never) => unknown>>>>;

export interface MemoryDepsOptions {
  readonly app: AppPlan;
  readonly log: TestLog;
  readonly clock: VirtualClock;
  readonly participants: StandIns;
  /** Of what the application archives. */
  readonly archive: ArchiveDeps | undefined;
  readonly keep: KeepLogs;
}

/** What activities get of a world in memory: the streams, states and tables of the test, and stand-ins for participants. */
export function memoryDeps({ app, log, clock, participants, archive, keep }: MemoryDepsOptions): ActivityDeps {
  // An activity holds the time while it works, and lets go of it while it waits for it.
  const waiting: Clock = {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    sleep: (ms, signal) => clock.whileHeld(clock.sleep(ms, signal)),
  };
  const { bus } = log;
  const deps = {
    ...stateLooks(app.pipelines, { bus, clock: waiting, signalOfCall: () => Context.current().cancellationSignal }),
    participant: (name: string) => standIn(participants[name] ?? {}),
    now: async () => clock.now(),
    statesOf: ({ plan }: KeptState<unknown>) => {
      const { pipeline, fold } = keeperOf(app.pipelines, plan);
      return keptOf(fold, storedOf(pipeline, log));
    },
    announce: async (stream: Stream<unknown>, { id, type, time, data }: AnnouncedDraft) => {
      const at = time?.getTime() ?? Context.current().info.scheduledTimestampMs;
      const { stored } = await log.tell(
        usedStream(app, stream),
        { id: eventId(id), type, data, at, source: "sagas", traceparent: traceparentOfActivity() },
        "sagas",
      );
      log.hasten();
      await clock.whileHeld(stored);
    },
    traceparent: traceparentOfActivity,
    ...(archive && { archive: createArchive(archive) }),
    cleanLogs: async (beat: () => void) => ({
      deadLetters: await cleanDeadLetters(app.streams, { bus, keepDays: keep.deadLetterDays, beat, clock }),
      archives: archive ? await expireArchives(archive, { keepDays: keep.archiveDays, beat }) : { looked: 0, removed: 0 },
    }),
  };
  // As in the host, the types of streams and states are those of their declarations.
  return deps as never;
}

async function* storedOf(pipeline: PipelinePlan, { bus }: TestLog): AsyncIterable<readonly [name: string, json: string]> {
  for (const partition of pipeline.sources.flatMap(partitionsOf)) yield* bus.statesOf(partition, pipeline.name);
}

/** A refusal comes as a caller of the real participant gets it. */
const standIn = (verbs: StandIns[string]) =>
  new Proxy(verbs, {
    get: (_, verb) => async (request: never) => {
      try {
        return await verbs[String(verb)]?.(request);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        throw ApplicationFailure.create({ type: error.type, message: error.message, nonRetryable: true, category: "BENIGN" });
      }
    },
  });
