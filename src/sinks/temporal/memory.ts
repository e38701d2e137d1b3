import type { Client } from "@temporalio/client";
import { ConfigError, messageOf } from "../../core/errors.ts";
import { shellWord } from "../../core/shell-word.ts";
import { type PipelinePlan, workflowSinksOf } from "../../plan/plan.ts";

/**
 * How long the namespace keeps a run that has ended, and with it the id that stops a second one, milliseconds. `undefined` where the
 * server does not tell.
 *
 * @throws ConfigError where there is no such namespace
 */
export async function remembersMs({ connection, options: { namespace } }: Client): Promise<number | undefined> {
  const { config } = await connection.workflowService.describeNamespace({ namespace }).catch((error) => {
    if (!/not ?found/i.test(messageOf(error))) throw error;
    throw new ConfigError("config.environment", `Temporal has no namespace '${namespace}'`, {
      hint: `Set TEMPORAL_NAMESPACE to another, or create it: temporal operator namespace create -n ${shellWord(namespace)}`,
    });
  });
  const seconds = Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0);
  return seconds > 0 ? seconds * 1_000 : undefined;
}

/** The workflows that pipelines start once an id, however late the event comes: without a `notAfter`. */
export const startedOnce = (pipelines: readonly PipelinePlan[]): readonly string[] => [
  ...new Set(
    workflowSinksOf(pipelines).flatMap(({ call }) =>
      call.kind === "start" && call.notAfter === undefined ? [call.workflow] : [],
    ),
  ),
];
