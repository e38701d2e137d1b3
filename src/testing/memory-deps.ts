import { Context } from "@temporalio/activity";
import { ApplicationFailure } from "@temporalio/common";
import { partitionsOf } from "../bus/partition.ts";
import type { Clock } from "../core/clock.ts";
import { seconds } from "../core/duration.ts";
import { ConfigError } from "../core/errors.ts";
import { eventId } from "../core/hash.ts";
import type { KeptState } from "../dsl/state.ts";
import type { Stream } from "../dsl/stream.ts";
import { usedStream } from "../dsl/used-stream.ts";
import type { ActivityDeps, AnnouncedDraft } from "../host/index.ts";
import { Refusal } from "../participant/participant.ts";
import type { AppPlan } from "../plan/plan.ts";
import { findKept, keeperOf, readKept, untilKept } from "../state/kept.ts";
import { splitName } from "../state/names.ts";
import type { TestLog } from "./test-log.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** What participants answer, by participant and verb. A verb that is left out answers nothing. */
export type StandIns = Readonly<Record<string, Readonly<Record<string, (request: never) => unknown>>>>;

export interface MemoryDepsOptions {
  readonly app: AppPlan;
  readonly log: TestLog;
  readonly clock: VirtualClock;
  readonly participants: StandIns;
}

/** What activities get of a world in memory: the streams and states of the test, and stand-ins for participants. */
export function memoryDeps({ app, log, clock, participants }: MemoryDepsOptions): ActivityDeps {
  // An activity holds the time while it works, and lets go of it while it waits for it.
  const waiting: Clock = {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    sleep: (ms, signal) => clock.whileHeld(clock.sleep(ms, signal)),
  };
  const stateOf = (state: KeptState<unknown>, key: string) => findKept(app.pipelines, { state: state.plan, key, bus: log.bus });
  const deps = {
    participant: (name: string) => standIn(participants[name] ?? {}),
    now: async () => clock.now(),
    stateOf,
    untilState: (state: KeptState<unknown>, key: string, holds: (state: unknown) => boolean) =>
      untilKept(() => stateOf(state, key), holds, {
        clock: waiting,
        withinMs: seconds(5),
        signal: Context.current().cancellationSignal,
        what: `the state '${state.plan.name}' of '${key}'`,
      }),
    statesOf: async function* ({ plan }: KeptState<unknown>) {
      const { pipeline, fold } = keeperOf(app.pipelines, plan);
      for (const partition of pipeline.sources.flatMap(partitionsOf)) {
        for (const [text, json] of log.bus.statesOf(partition, pipeline.name)) {
          const name = splitName(text);
          if (name.stage !== fold.name) continue;
          const { state, updatedAt } = readKept(name, json, fold);
          yield [name.key, state, updatedAt] as const;
        }
      }
    },
    announce: async (stream: Stream<unknown>, { id, type, time, data }: AnnouncedDraft) => {
      const at = time?.getTime() ?? Context.current().info.scheduledTimestampMs;
      const { stored } = await log.tell(usedStream(app, stream), { id: eventId(id), type, data, at, source: "sagas" }, "sagas");
      log.hasten();
      await clock.whileHeld(stored);
    },
    cleanLogs: missing("cleanLogs"),
  };
  // As in the host, the types of streams and states are those of their declarations.
  return deps as never;
}

const missing = (what: string) => async () => {
  throw new ConfigError("usage", `testApp has no ${what}`, {
    hint: "Give the test a stand-in for the activity: activities: (deps) => ({ ...createActivities(deps), … }).",
  });
};

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
