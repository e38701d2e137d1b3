import { WorkflowExecutionAlreadyStartedError } from "@temporalio/common";
import {
  ApplicationFailure,
  ChildWorkflowFailure,
  executeChild,
  setCurrentDetails,
  sleep,
  workflowInfo,
} from "@temporalio/workflow";
import { type ArchivedDay, archiveDay } from "./archive-day.ts";

/** What a night has done, and with which day. */
export type ArchivedNight = {
  /** `2026-11-27`, in UTC. */
  readonly day: string;
} & (ArchivedDay | { readonly outcome: "runs already" });

/** Rows that come while a day is archived put it back; so many times it is begun again. */
const tries = 4;
const dayMs = 86_400_000;

/** What a schedule of `archiveNightly` says. */
export interface ArchiveNightlyInput {
  /** One of `archives` of the application. */
  readonly table: string;
  /** So many whole days before today stay in the table. */
  readonly keepDays: number;
}

/**
 * The nightly run: archives the day that is `keepDays` days older than the one before it was due, whenever it really runs, so a backfill
 * archives the days that it names. The child's id lets schedule, backfill and a person start a day as often as they like: one of them runs.
 *
 * @example
 * ```ts
 * export const archived = defineSchedule("archive-login_events", archiveNightly, {
 *   taskQueue: "archive",
 *   input: { table: "login_events", keepDays: 30 },
 *   dailyAt: "02:15",
 *   overlap: "wait",
 *   catchUpMs: days(7),
 *   pauseOnFailure: true,
 * });
 * ```
 */
export async function archiveNightly({ table, keepDays }: ArchiveNightlyInput): Promise<ArchivedNight> {
  const [due] = (workflowInfo().searchAttributes["TemporalScheduledStartTime"] ?? []) as readonly (Date | string)[];
  if (due === undefined)
    throw ApplicationFailure.nonRetryable("archiveNightly is started by a schedule, which says for which day", "NoSchedule");
  const day = new Date(new Date(due).getTime() - (1 + keepDays) * dayMs).toISOString().slice(0, 10);
  setCurrentDetails(`${table}, ${day}`);
  for (let attempt = 1; ; attempt++) {
    try {
      return {
        day,
        ...(await executeChild(archiveDay, { workflowId: `archive/${table}/${day}`, args: [{ table, day }], ...asChild })),
      };
    } catch (error) {
      if (error instanceof WorkflowExecutionAlreadyStartedError) return { day, outcome: "runs already" };
      if (attempt === tries || !isDisturbed(error)) throw error;
      await sleep("5m", { summary: "rows came while it was archived" });
    }
  }
}

const asChild = {
  // A run that has ended may be followed by another, for rows that came late; two at a time there cannot be.
  workflowIdReusePolicy: "ALLOW_DUPLICATE",
  cancellationType: "WAIT_CANCELLATION_COMPLETED",
  // It finishes or undoes what it has begun, whatever becomes of the night.
  parentClosePolicy: "ABANDON",
} as const;

function isDisturbed(error: unknown): boolean {
  const cause = error instanceof ChildWorkflowFailure ? error.cause : undefined;
  if (!(cause instanceof ApplicationFailure) || cause.type !== "SagaUndone") return false;
  const [refusal] = (cause.details ?? []) as readonly { readonly type?: string }[];
  return refusal?.type === "archive.changed" || refusal?.type === "archive.mismatch";
}
