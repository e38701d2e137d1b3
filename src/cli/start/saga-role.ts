import { Producer } from "../../bus/producer.ts";
import { systemClock } from "../../core/clock.ts";
import { ConfigError, TerminalError } from "../../core/errors.ts";
import { eventId } from "../../core/hash.ts";
import { sinksOf } from "../../plan/plan.ts";
import { findModule, loadModule } from "../load-app.ts";
import { openBus, openRedis, temporalAway, temporalConfig } from "../services.ts";
import { activityStore } from "./activity-store.ts";
import type { Role, RoleContext } from "./role.ts";

type Activities = Record<string, (...args: never[]) => Promise<unknown>>;

/** Runs the workflows of `workflows/index.ts` with the activities of `activities/index.ts`, on every task queue that a pipeline starts on. */
export const sagaRole: Role = async (context) => {
  const { app, logger, where, instance } = context;
  const { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker } = await import("@temporalio/worker");
  Runtime.install({
    logger: new DefaultLogger("WARN", ({ level, message, meta }) => log(level, message, meta)),
    shutdownSignals: [],
  });
  const log = (level: string, message: string, meta?: object) =>
    level === "ERROR" ? logger.error(meta ?? {}, message) : logger.warn(meta ?? {}, message);

  const taskQueues = new Set(
    app.pipelines.flatMap((pipeline) =>
      Object.values(sinksOf(pipeline)).flatMap((sink) => (sink.kind === "temporal" ? [sink.taskQueue] : [])),
    ),
  );
  if (taskQueues.size === 0) {
    logger.warn({}, "no pipeline starts a workflow: the saga role has nothing to do");
    return {
      run: (stop) =>
        new Promise((resolve) => (stop.aborted ? resolve() : stop.addEventListener("abort", () => resolve(), { once: true }))),
    };
  }
  const workflowsPath = moduleOf(context, "workflows/index");
  const deps = await openDeps(context);
  const { createActivities } = (await loadModule(moduleOf(context, "activities/index"))) as {
    createActivities?: (deps: object) => Activities;
  };
  if (!createActivities)
    throw new ConfigError("app.load", "activities/index.ts exports no createActivities", {
      hint: "Export createActivities(deps).",
    });
  const activities = createActivities({ redis: deps.redis, announce: deps.announce });

  const workflowBundle = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger("ERROR") });
  const { options, namespace = "default" } = await temporalConfig(where);
  const connection = await NativeConnection.connect(options).catch((error) => {
    throw temporalAway(options.address, error);
  });
  const workers = await Promise.all(
    [...taskQueues].map((taskQueue) =>
      Worker.create({
        connection,
        namespace,
        taskQueue,
        workflowBundle,
        activities,
        identity: instance,
        shutdownGraceTime: "15s",
        maxCachedWorkflows: 500,
      }),
    ),
  );

  return {
    async run(stop) {
      const shutDown = () => {
        for (const worker of workers) if (worker.getState() === "RUNNING") worker.shutdown();
      };
      stop.addEventListener("abort", shutDown);
      try {
        const running = workers.map((worker) => worker.run());
        // A stop that came while we started has rung already; and a worker that never ran would not let go of its connection.
        if (stop.aborted) shutDown();
        await Promise.all(running);
      } finally {
        await connection.close();
        await deps.close();
      }
    },
  };
};

function moduleOf({ where }: RoleContext, module: string): string {
  const path = findModule(where.cwd, module);
  if (!path)
    throw new ConfigError("app.load", `there is no ${module}.ts in ${where.cwd}`, {
      hint: "The saga role runs what workflows/ and activities/ hold.",
    });
  return path;
}

/** What activities get of the world: Redis for the participants' stores, and the streams. */
async function openDeps({ app, instance, logger, where }: RoleContext) {
  const bus = await openBus(where, logger);
  const redis = await openRedis(where, logger, "headrace-activities");
  const producers = new Map<string, Producer>();
  const producerOf = (name: string): Producer => {
    const stream = app.streams.find((one) => one.name === name);
    if (!stream)
      throw new TerminalError("event.invalid", `there is no stream '${name}'`, {
        hint: `The application has ${app.streams.map((one) => one.name).join(", ")}.`,
      });
    const producer =
      producers.get(name) ??
      new Producer({ stream, producer: `sagas/${instance}`, lingerMs: 5 }, { bus, clock: systemClock, logger });
    producers.set(name, producer);
    return producer;
  };
  return {
    // An activity that meets a Redis that is away fails, and is tried again.
    redis: activityStore(redis),
    announce: async (stream: string, { id, type, time, data }: { id: string; type: string; time: Date; data: object }) => {
      const { stored } = await producerOf(stream).send({
        id: eventId(id),
        type,
        time: time.getTime(),
        source: "sagas",
        traceparent: undefined,
        data,
      });
      await stored;
    },
    close: async () => {
      await Promise.all([...producers.values()].map((producer) => producer.flush().catch(() => {})));
      await redis.close();
      await bus.close();
    },
  };
}
