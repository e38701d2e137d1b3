import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Context } from "@temporalio/activity";
import {
  Client,
  Connection,
  type Workflow,
  WorkflowFailedError,
  type WorkflowHandle,
  WorkflowUpdateFailedError,
} from "@temporalio/client";
import { CancelledFailure } from "@temporalio/common";
import { msToNumber } from "@temporalio/common/lib/time.js";
import { TestWorkflowEnvironment } from "@temporalio/testing";
import { DefaultLogger, NativeConnection, Runtime, Worker, type WorkerOptions } from "@temporalio/worker";
import { findBundle } from "../../src/cli/start/workflow-bundle.ts";
import { silentLogger } from "../../src/core/log.ts";
import { sagaSearchAttributes } from "../../src/core/search-attributes.ts";
import { bundleWorkflows } from "../../src/host/bundle-workflows.ts";
import { addAttributes } from "../../src/sinks/temporal/search-attributes.ts";
import { findProgram } from "../../src/stack/binaries/find-program.ts";
import { temporalTestProgram } from "../../src/stack/binaries/programs.ts";
import type { WorkflowRun } from "../../src/testing/temporal/run.ts";
import { MemoryTemporal } from "../../src/testing/temporal/server.ts";
import { idle, VirtualClock } from "../../src/testing/virtual-clock.ts";
import { temporalAddress, unique } from "./services.ts";

/** Runs sagas with nothing kept between two tasks of a workflow: every task is a replay from its start. */
export interface SagaBench {
  readonly client: Client;
  /**
   * Starts a workflow and has its activities be these, until the callback has resolved: one that still runs then is terminated. A worker
   * of the bench runs all of them.
   */
  run<T extends Workflow, Result>(
    workflow: T,
    start: { readonly input: Parameters<T>[0]; readonly workflowId?: string },
    activities: object,
    body: (handle: WorkflowHandle<T>) => Promise<Result>,
  ): Promise<Result>;
  startWorker(taskQueue: string, activities: object, options?: Partial<WorkerOptions>): Promise<Worker>;
  close(): Promise<void>;
}

export interface SkippingBench extends SagaBench {
  readonly environment: TestWorkflowEnvironment;
}

type Activity = (...args: readonly unknown[]) => unknown;

/** The runtime is one a process. */
let isQuiet = false;

function quieten(): void {
  if (!isQuiet) Runtime.install({ logger: new DefaultLogger("ERROR"), shutdownSignals: [] });
  isQuiet = true;
}

/** @param workflowsPath the module whose exports are the workflows */
export async function bundleSagas(workflowsPath: string): Promise<string> {
  quieten();
  return (await bundleWorkflows(workflowsPath)).code;
}

/** The workflows of the reference application. The test run has bundled them once, for all: see stack.ts. */
export async function bundleApplication(): Promise<string> {
  quieten();
  return findBundle(fileURLToPath(new URL("../..", import.meta.url)), undefined);
}

/** On the development server of the test run. @param options of its workers, over those that have every task be a replay */
export async function openSagaBench(code: string, options: Partial<WorkerOptions> = {}): Promise<SagaBench> {
  const address = temporalAddress();
  const [connection, native] = await Promise.all([Connection.connect({ address }), NativeConnection.connect({ address })]);
  return openBench({ client: new Client({ connection }), native, code, options }, async () => {
    await connection.close();
    await native.close();
  });
}

/** On a server of its own, whose clock jumps to whatever is waited for. */
export async function openSkippingBench(code: string): Promise<SkippingBench> {
  const { path } = await findProgram(temporalTestProgram, { env: process.env, log: silentLogger });
  const environment = await TestWorkflowEnvironment.createTimeSkipping({
    server: { executable: { type: "existing-path", path } },
  });
  const namespace = environment.namespace ?? "default";
  await addAttributes(environment.connection, { namespace, wanted: sagaSearchAttributes });
  const { client, nativeConnection: native } = environment;
  return { ...openBench({ client, native, code }, () => environment.teardown()), environment };
}

/** The twin in memory: with the same handles, on a virtual clock that skips to whatever is waited for. */
export function openMemoryBench(workflows: Readonly<Record<string, Workflow>>): SkippingBench {
  const clock = new VirtualClock(Date.now());
  let activities: Readonly<Record<string, Activity>> = {};
  const temporal = new MemoryTemporal({
    clock,
    workflows,
    activities: new Proxy({}, { get: (_, name) => activities[String(name)] }),
  });
  /** Whatever can go on at once has: a call may be under way, and hold the time. */
  const settled = async () => {
    for (let turn = 0; turn < 10; turn++) await idle();
  };
  const handleOf = (run: WorkflowRun) => ({
    workflowId: run.order.workflowId,
    async result() {
      await clock.until(() => run.end !== undefined);
      const end = run.end;
      if (end?.kind === "completed") return end.result;
      if (end?.kind === "broken") throw end.error;
      const cause = end?.kind === "failed" ? (end.error as Error) : new CancelledFailure("Workflow execution cancelled");
      throw new WorkflowFailedError("Workflow execution failed", cause, "NON_RETRYABLE_FAILURE");
    },
    cancel: async () => run.cancel(),
    async query({ name }: { readonly name: string }) {
      await settled();
      return run.query(name);
    },
    executeUpdate(name: string, { args = [] }: { readonly args?: readonly unknown[] } = {}) {
      const update = run.update(name, args);
      // It may be answered while a call holds the time, or only once time goes on.
      return Promise.race([update, clock.settle(update)]).catch((cause: Error) => {
        throw new WorkflowUpdateFailedError("Workflow Update failed", cause);
      });
    },
    async describe() {
      await settled();
      const names = { completed: "COMPLETED", failed: "FAILED", broken: "RUNNING", cancelled: "CANCELLED" } as const;
      return { status: { name: run.end ? names[run.end.kind] : "RUNNING" }, searchAttributes: run.searchAttributes };
    },
  });
  return {
    client: undefined as never,
    environment: {
      currentTimeMs: async () => clock.now(),
      sleep: async (duration: string) => clock.advance(msToNumber(duration as never)),
    } as never,
    startWorker: () => Promise.reject(new Error("there are no workers in memory")),
    async run(workflow, { input, workflowId = unique("saga-") }, given, body) {
      activities = given as never;
      const run = temporal.start(
        { type: (workflow as { name: string }).name, workflowId, taskQueue: "test", args: [input] },
        { reuse: "closed" },
      );
      const result = await body(handleOf(run as WorkflowRun) as never);
      const odd = run?.end && (await run.replay());
      if (odd) throw new Error(`not deterministic: ${odd}`);
      return result;
    },
    close: async () => {},
  };
}

interface BenchParts {
  readonly client: Client;
  readonly native: NativeConnection;
  readonly code: string;
  readonly options?: Partial<WorkerOptions>;
}

function openBench({ client, native, code, options: own = {} }: BenchParts, disconnect: () => Promise<void>): SagaBench {
  const directory = mkdtempSync(join(tmpdir(), "headrace-sagas-"));
  const codePath = join(directory, "workflows.js");
  writeFileSync(codePath, code);
  const startWorker: SagaBench["startWorker"] = (taskQueue, activities, options) =>
    Worker.create({
      connection: native,
      taskQueue,
      workflowBundle: { codePath },
      activities,
      maxCachedWorkflows: 0,
      maxHeartbeatThrottleInterval: "100ms",
      defaultHeartbeatThrottleInterval: "100ms",
      ...own,
      ...options,
    });
  const activitiesOf = new Map<string, Readonly<Record<string, Activity>>>();
  /** Whatever the workflow asks for. */
  const call: Activity = (...args) => {
    const { activityType, workflowExecution } = Context.current().info;
    const activity = activitiesOf.get(workflowExecution?.workflowId ?? "")?.[activityType];
    if (!activity) throw new Error(`${workflowExecution?.workflowId} has no activity '${activityType}'`);
    return activity(...args);
  };
  const work = async () => {
    const taskQueue = unique("sagas-");
    const worker = await startWorker(taskQueue, { default: call });
    const done = worker.run();
    const stop = () => {
      worker.shutdown();
      return done;
    };
    return { taskQueue, stop };
  };
  let working: ReturnType<typeof work> | undefined;
  return {
    client,
    startWorker,
    run: async (workflow, { input, workflowId = unique("saga-") }, activities, body) => {
      activitiesOf.set(workflowId, activities as Record<string, Activity>);
      working ??= work();
      const { taskQueue } = await working;
      const handle = await client.workflow.start(workflow as Workflow, { taskQueue, workflowId, args: [input] });
      try {
        return await body(handle as never);
      } finally {
        await handle.terminate("its test is over").catch(() => {}); // as a rule it has ended
      }
    },
    close: async () => {
      await working?.then(({ stop }) => stop());
      await disconnect();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
