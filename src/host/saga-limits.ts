/** How much a saga worker does at once, and as which version. */
export interface SagaLimits {
  /** Workflows that are kept in memory between two of their tasks; others are replayed from their history. @default 500 */
  readonly cachedWorkflows: number;
  /** Workflow tasks at once; at least 2: one for new tasks, one for cached ones. @default 40 */
  readonly workflowSlots: number;
  /** Activities at once. @default 100 */
  readonly activitySlots: number;
  /** Workflows that start on this build finish on it. Without one every worker takes every workflow. */
  readonly version?: { readonly deploymentName: string; readonly buildId: string } | undefined;
}

export const defaultSagaLimits = { cachedWorkflows: 500, workflowSlots: 40, activitySlots: 100 } as const satisfies SagaLimits;
