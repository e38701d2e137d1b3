import { ConfigError } from "../../core/errors.ts";
import type { SagaLimits } from "../../host/saga-limits.ts";
import { wholeNumber } from "../numbers.ts";

/** As the command line has them. */
export interface SagaFlags {
  readonly cachedWorkflows: string;
  readonly workflowSlots: string;
  readonly activitySlots: string;
  readonly buildId?: string | undefined;
  readonly deployment: string;
}

export function parseSagaFlags(flags: SagaFlags, env: NodeJS.ProcessEnv): SagaLimits {
  const buildId = flags.buildId ?? (env["HEADRACE_BUILD_ID"] || undefined);
  const workflowSlots = wholeNumber("--workflow-slots", flags.workflowSlots);
  if (workflowSlots < 2) {
    throw new ConfigError("usage", "--workflow-slots cannot be 1", {
      hint: "Temporal needs 2: one for new tasks, one for cached ones.",
    });
  }
  if (buildId === "") throw new ConfigError("usage", "--build-id is empty", { hint: "Name the build, such as its commit." });
  // Temporal joins both by a point in its own names.
  if (flags.deployment.includes(".") || flags.deployment === "") {
    throw new ConfigError("usage", `--deployment cannot be '${flags.deployment}'`, { hint: "Give a name without points." });
  }
  return {
    cachedWorkflows: wholeNumber("--cached-workflows", flags.cachedWorkflows),
    workflowSlots,
    activitySlots: wholeNumber("--activity-slots", flags.activitySlots),
    version: buildId === undefined ? undefined : { deploymentName: flags.deployment, buildId },
  };
}
