import { aborted } from "../../core/aborted.ts";
import { ConfigError, RetryableError } from "../../core/errors.ts";
import { sagaSearchAttributes } from "../../core/search-attributes.ts";
import { workflowSinksOf } from "../../plan/plan.ts";
import { missingAttributes } from "../../sinks/temporal/search-attributes.ts";
import { findModule, loadExport } from "../load-app.ts";
import { dataConverter, openTemporal, temporalAway, temporalConfig, type Whereabouts } from "../services.ts";
import { openActivityDeps } from "./activity-deps.ts";
import type { Role, RoleContext } from "./role.ts";
import { installRuntime, metricsAddress } from "./temporal-runtime.ts";
import { findBundle } from "./workflow-bundle.ts";

type Activities = Record<string, (...args: never[]) => Promise<unknown>>;

/** Runs the workflows of `workflows/index.ts` with the activities of `activities/index.ts`, where there are any, on every task queue that a pipeline starts on. */
export const sagaRole: Role = async (context) => {
  const { app, logger, where, instance, sagas } = context;
  const { NativeConnection, Worker } = await import("@temporalio/worker");
  const metrics = await metricsAddress(process.env);
  await installRuntime(logger, metrics);
  const addresses: Readonly<Record<string, string>> = metrics ? { metrics: metrics.url } : {};

  const started = workflowSinksOf(app.pipelines).flatMap(({ call }) => (call.kind === "start" ? [call.taskQueue] : []));
  const taskQueues = new Set([...started, ...app.schedules.map(({ taskQueue }) => taskQueue)]);
  if (taskQueues.size === 0) {
    logger.warn({}, "no pipeline and no schedule starts a workflow: the saga role has nothing to do");
    return { addresses, run: aborted };
  }
  const { activities, close } = await openActivities(context);

  const converting = dataConverter();
  const code = await findBundle(where.cwd, process.env["HEADRACE_WORKFLOW_BUNDLE"]);
  const workflowBundle = { code: converting ? `globalThis.headraceHidesFailures = true;${code}` : code };
  const { options, namespace = "default" } = await temporalConfig(where);
  await checkAttributes(where);
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
        ...(converting && { dataConverter: converting }),
        // A stop waits for activities, then cancels them, then no longer waits: an orchestrator kills after 30 s.
        shutdownGraceTime: "15s",
        shutdownForceTime: "25s",
        // An activity learns that it is cancelled, and its beats are kept, no later than this.
        maxHeartbeatThrottleInterval: "5s",
        defaultHeartbeatThrottleInterval: "5s",
        maxCachedWorkflows: sagas.cachedWorkflows,
        maxConcurrentWorkflowTaskExecutions: sagas.workflowSlots,
        maxConcurrentActivityTaskExecutions: sagas.activitySlots,
        ...(sagas.version && {
          workerDeploymentOptions: {
            version: sagas.version,
            useWorkerVersioning: true,
            defaultVersioningBehavior: "PINNED" as const,
          },
        }),
      }),
    ),
  );

  return {
    addresses,
    async run(stop) {
      const shutDown = () => {
        for (const worker of workers) if (worker.getState() === "RUNNING") worker.shutdown();
      };
      stop.addEventListener("abort", shutDown);
      const running = workers.map(async (worker) => {
        try {
          await worker.run();
        } catch (error) {
          // Only work that goes on can keep it from ending; the SDK then fails in several ways.
          if (stop.aborted) throw forced(error);
          shutDown();
          throw error;
        }
      });
      // A stop that came while we started has rung already; and a worker that never ran would not let go of its connection.
      if (stop.aborted) shutDown();
      const failed = (await Promise.allSettled(running)).find(({ status }) => status === "rejected");
      await close();
      // One that was left to its activities holds on to it.
      if (!failed) await connection.close();
      else throw (failed as PromiseRejectedResult).reason;
    },
  };
};

/** Workflows that call none do without the module. */
async function openActivities(context: RoleContext): Promise<{ activities: Activities; close: () => Promise<void> }> {
  const module = "activities/index";
  if (!findModule(context.where.cwd, module)) return { activities: {}, close: async () => {} };
  const createActivities = await loadExport<(deps: object) => Activities>(context.where.cwd, {
    module,
    name: "createActivities",
    hint: "Export createActivities(deps): what the saga role runs beside workflows/.",
  });
  const { deps, close } = await openActivityDeps(context);
  return { activities: createActivities(deps), close };
}

const forced = (cause: unknown) =>
  new RetryableError("stop.forced", "activities went on for 25 s after the stop, and were left to themselves", {
    cause,
    hint: "Temporal has other workers do them again. An activity that may take so long has to end when its signal says that it is cancelled.",
  });

/** Without its search attributes the first saga that needs attention would stand still, and nobody would be called. */
async function checkAttributes(where: Whereabouts): Promise<void> {
  const { connection, client } = await openTemporal(where);
  try {
    const { namespace } = client.options;
    const missing = Object.keys(await missingAttributes(connection, { namespace, wanted: sagaSearchAttributes }));
    if (missing.length === 0) return;
    throw new ConfigError(
      "temporal.refused",
      `Temporal's namespace '${namespace}' lacks the search attributes ${missing.join(", ")}`,
      {
        hint: "Run 'headrace migrate --apply', then start again.",
      },
    );
  } finally {
    await connection.close();
  }
}
