import type { Worker, WorkerPlugin } from "@temporalio/worker";
import { aborted } from "../core/aborted.ts";
import { ConfigError, RetryableError } from "../core/errors.ts";
import { type OpenResources, openAll } from "../core/open-resources.ts";
import { sagaSearchAttributes } from "../core/search-attributes.ts";
import { settleAll } from "../core/settle-all.ts";
import { workflowSinksOf } from "../plan/plan.ts";
import { missingAttributes } from "../sinks/temporal/search-attributes.ts";
import { traceActivities } from "../trace/activity.ts";
import { type ActivityDeps, type ActivityDepsOptions, openActivityDeps } from "./activity-deps.ts";
import type { ReadyRole, Role, RoleContext } from "./role.ts";
import type { SagaLimits } from "./saga-limits.ts";
import { openTemporal, type TemporalAddress, temporalAway } from "./services.ts";
import { installRuntime } from "./temporal-runtime.ts";

/** What workflows call, by name. */
export type Activities = Record<string, (...args: never[]) => Promise<unknown>>;

/** Makes activities of what they get. An application that needs little of it may say so by a type of its own. */
export type CreateActivities = (deps: ActivityDeps) => Activities;

export interface SagaRoleOptions extends ActivityDepsOptions {
  readonly limits: SagaLimits;
  /** The workflows as one script. Asked for once something starts them. */
  readonly bundle: () => Promise<string>;
  /** None where the workflows call none. */
  readonly createActivities: CreateActivities | undefined;
  /** They set up Temporal's workers. @default none */
  readonly plugins?: readonly WorkerPlugin[];
  /** Where the numbers of Temporal's SDK are served; undefined where they are not. */
  readonly metrics: { readonly bind: string; readonly url: string } | undefined;
}

/** Runs workflows with their activities, on every task queue that a pipeline or a schedule starts on. */
export const sagaRole = (options: SagaRoleOptions): Role => ({
  name: "saga",
  open: (context) => openSagas(context, options),
});

async function openSagas(context: RoleContext, options: SagaRoleOptions): Promise<ReadyRole> {
  const { app, logger } = context;
  const { metrics } = options;
  await installRuntime(logger, metrics?.bind);
  const addresses: Readonly<Record<string, string>> = metrics ? { metrics: metrics.url } : {};
  const started = workflowSinksOf(app.pipelines).flatMap(({ call }) => (call.kind === "start" ? [call.taskQueue] : []));
  const taskQueues = new Set([...started, ...app.schedules.map(({ taskQueue }) => taskQueue)]);
  if (taskQueues.size === 0) {
    logger.warn({}, "no pipeline and no schedule starts a workflow: the saga role has nothing to do");
    return { addresses, run: aborted, close: async () => {} };
  }
  return openAll(async (opened) => {
    const workers = await openWorkers(taskQueues, { context, options, opened });
    return { addresses, run: (stop) => runAll(workers, stop), close: () => opened.close() };
  });
}

/** A worker of Temporal for each task queue; they share a connection and their activities. */
async function openWorkers(
  taskQueues: ReadonlySet<string>,
  {
    context,
    options,
    opened,
  }: { readonly context: RoleContext; readonly options: SagaRoleOptions; readonly opened: OpenResources },
): Promise<readonly Worker[]> {
  const { NativeConnection, Worker } = await import("@temporalio/worker");
  const { limits, plugins = [] } = options;
  const activities = await openActivities(context, options, opened);
  const code = await options.bundle();
  const temporal = await context.at.temporal();
  const { namespace = "default", dataConverter } = temporal;
  const workflowBundle = { code: temporal.hidesFailures ? `globalThis.headraceHidesFailures = true;${code}` : code };
  await checkAttributes(temporal);
  const connection = await NativeConnection.connect(temporal.connection).catch((error) => {
    throw temporalAway(temporal.connection.address, error);
  });
  // A worker that was left to its activities holds on to it: then it stays open.
  opened.add(connection, (one) => one.close());
  const open = (taskQueue: string) =>
    Worker.create({
      connection,
      namespace,
      taskQueue,
      workflowBundle,
      activities,
      interceptors: { activity: [traceActivities] },
      plugins: [...plugins],
      identity: context.instance,
      ...(dataConverter && { dataConverter }),
      // A stop waits for activities, then cancels them, then no longer waits: an orchestrator kills after 30 s.
      shutdownGraceTime: "15s",
      shutdownForceTime: "25s",
      // An activity learns that it is cancelled, and its beats are kept, no later than this.
      maxHeartbeatThrottleInterval: "5s",
      defaultHeartbeatThrottleInterval: "5s",
      maxCachedWorkflows: limits.cachedWorkflows,
      maxConcurrentWorkflowTaskExecutions: limits.workflowSlots,
      maxConcurrentActivityTaskExecutions: limits.activitySlots,
      ...(limits.version && {
        workerDeploymentOptions: {
          version: limits.version,
          useWorkerVersioning: true,
          defaultVersioningBehavior: "PINNED" as const,
        },
      }),
    });
  return Promise.all([...taskQueues].map(async (taskQueue) => opened.add(await open(taskQueue), endUnstarted)));
}

/** Runs workers until `stop` aborts, or one of them fails. */
async function runAll(workers: readonly Worker[], stop: AbortSignal): Promise<void> {
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
  // A stop that came while we started has been signalled already.
  if (stop.aborted) shutDown();
  await settleAll(running).finally(() => stop.removeEventListener("abort", shutDown));
}

/** A worker that never ran would not let go of its connection. */
async function endUnstarted(worker: Worker): Promise<void> {
  if (worker.getState() !== "INITIALIZED") return;
  const running = worker.run();
  worker.shutdown();
  await running;
}

/** Workflows that call none do without. */
async function openActivities(context: RoleContext, options: SagaRoleOptions, opened: OpenResources): Promise<Activities> {
  if (!options.createActivities) return {};
  const activities = await openActivityDeps(context, options);
  opened.add(activities, (one) => one.close());
  return options.createActivities(activities.deps);
}

const forced = (cause: unknown) =>
  new RetryableError("stop.forced", "activities went on for 25 s after the stop, and were left to themselves", {
    cause,
    hint: "Temporal has other workers do them again. An activity that may take so long has to end when its signal says that it is cancelled.",
  });

/** Without its search attributes the first saga that needs attention would stand still, and no operator would see it. */
async function checkAttributes(temporal: TemporalAddress): Promise<void> {
  const { connection, client } = await openTemporal(temporal);
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
