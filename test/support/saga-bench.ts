import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, Connection, type Workflow, type WorkflowHandle } from "@temporalio/client";
import { TestWorkflowEnvironment } from "@temporalio/testing";
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker, type WorkerOptions } from "@temporalio/worker";
import { silentLogger } from "../../src/core/log.ts";
import { sagaSearchAttributes } from "../../src/core/search-attributes.ts";
import { addAttributes } from "../../src/sinks/temporal/search-attributes.ts";
import { findProgram } from "../../src/stack/binaries/find-program.ts";
import { temporalTestProgram } from "../../src/stack/binaries/programs.ts";
import { temporalAddress, unique } from "./services.ts";

/** Runs sagas with nothing kept between two tasks of a workflow: every task is a replay from its start. */
export interface SagaBench {
  readonly client: Client;
  /** Starts a workflow that a worker with these activities runs until the callback has resolved. */
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

/** The runtime is one a process. */
let isQuiet = false;

/** @param workflowsPath the module whose exports are the workflows */
export async function bundleSagas(workflowsPath: string): Promise<string> {
  if (!isQuiet) Runtime.install({ logger: new DefaultLogger("ERROR"), shutdownSignals: [] });
  isQuiet = true;
  return (await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger("ERROR") })).code;
}

/** On the development server of the test run. */
export async function openSagaBench(code: string): Promise<SagaBench> {
  const address = temporalAddress();
  const [connection, native] = await Promise.all([Connection.connect({ address }), NativeConnection.connect({ address })]);
  return openBench({ client: new Client({ connection }), native, code }, async () => {
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

function openBench(
  { client, native, code }: { readonly client: Client; readonly native: NativeConnection; readonly code: string },
  disconnect: () => Promise<void>,
): SagaBench {
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
      ...options,
    });
  return {
    client,
    startWorker,
    run: async (workflow, { input, workflowId = unique("saga-") }, activities, body) => {
      const taskQueue = unique("sagas-");
      const worker = await startWorker(taskQueue, activities);
      return worker.runUntil(async () =>
        body((await client.workflow.start(workflow as Workflow, { taskQueue, workflowId, args: [input] })) as never),
      );
    },
    close: async () => {
      await disconnect();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
