import { resolve } from "node:path";
import type { BundlerPlugin, WorkerPlugin } from "@temporalio/worker";
import { maxDeadLetterBytes } from "../bus/port.ts";
import { silentLogger } from "../core/log.ts";
import { bundleWorkflows } from "./bundle-workflows.ts";
import type { KeepLogs } from "./clean-logs.ts";
import { openHost } from "./host.ts";
import { type Running, runInBackground } from "./lifecycle.ts";
import type { ArchiveAddress } from "./open-archive.ts";
import { addressesOf, type HostedOptions } from "./options.ts";
import type { Role } from "./role.ts";
import { defaultSagaLimits, type SagaLimits } from "./saga-limits.ts";
import type { CreateActivities, SagaRoleOptions } from "./saga-role.ts";

/** What `createSagaWorker` runs, and where the services are. */
export interface CreateSagaWorkerOptions extends HostedOptions {
  /** The file that exports the workflows, absolute or relative to the working directory. It is bundled at the start, which takes seconds. @default "workflows/index.ts" */
  readonly workflowsPath?: string;
  /** The workflows as one script, in the place of `workflowsPath`: what `headrace bundle` has written. @default what lies at `workflowsPath`, bundled */
  readonly workflowBundle?: { readonly code: string };
  /** Makes what the workflows call. @default none: the workflows call no activities */
  readonly createActivities?: CreateActivities;
  /** What participants ask of their callers, as `HEADRACE_PARTICIPANTS_TOKEN` of theirs. @default nothing */
  readonly participantsToken?: string;
  /** Where archived days go, for an application that archives. @default the directory `.headrace/archive` */
  readonly archive?: ArchiveAddress;
  /** For how long the workflow that cleans logs keeps them. @default dead letters for 30 days, archives for ever */
  readonly keep?: KeepLogs;
  /** Plugins of Temporal's SDK, such as its `OpenTelemetryPlugin`: they set up the workers, and what is bundled here. @default none */
  readonly plugins?: readonly (BundlerPlugin & WorkerPlugin)[];
  /** How much it does at once, and as which version. @default those of `headrace start`, without a version */
  readonly limits?: Partial<SagaLimits>;
}

/**
 * Runs workflows and their activities inside this process, as `headrace start --role saga` does in one of its own, on every task queue
 * that a pipeline or a schedule of the application starts on. Temporal's native core comes with it; signals of the process are not
 * listened to.
 *
 * Its `ready` rejects with a ConfigError where the workflows cannot be bundled or the namespace lacks search attributes
 * (`headrace migrate --apply` makes them), with a RetryableError where a service does not answer.
 *
 * @example
 * ```ts
 * const sagas = createSagaWorker({
 *   app,
 *   workflowsPath: "workflows/index.ts",
 *   createActivities,
 *   redis: "redis://127.0.0.1:6379",
 *   temporal: "127.0.0.1:7233",
 * });
 * await sagas.ready;
 * ```
 */
export function createSagaWorker(options: CreateSagaWorkerOptions): Running {
  const { logger = silentLogger, signal, workflowsPath, workflowBundle, createActivities, plugins = [] } = options;
  const bundle = async () => {
    if (workflowBundle) return workflowBundle.code;
    return (await bundleWorkflows(resolve(workflowsPath ?? "workflows/index.ts"), plugins)).code;
  };
  const roleOptions: SagaRoleOptions = {
    limits: { ...defaultSagaLimits, ...options.limits },
    bundle,
    createActivities,
    plugins,
    metrics: undefined,
    participantsToken: () => options.participantsToken,
    archive: () => options.archive ?? { kind: "directory", path: resolve(".headrace/archive") },
    keep: options.keep ?? {},
    deadLetterBytes: options.deadLetterBytes ?? maxDeadLetterBytes,
  };
  // Temporal's native core is loaded here, so that a program with workers of pipelines alone does without.
  const open: Role["open"] = async (context) => (await import("./saga-role.ts")).sagaRole(roleOptions).open(context);
  const at = addressesOf(options, "createSagaWorker");
  const host = async () => openHost({ app: options.app.plan, others: [], roles: [{ name: "saga", open }], at, logger });
  return runInBackground(host, { name: "saga worker", logger, signal });
}
