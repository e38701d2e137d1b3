import { WorkflowExecutionAlreadyStartedError } from "@temporalio/common";
import {
  ApplicationFailure,
  ChildWorkflowFailure,
  executeChild,
  setCurrentDetails,
  sleep,
  workflowInfo,
} from "@temporalio/workflow";
import { type BoundedCalls, type EndlessCalls, saga } from "headrace/saga";
import type { Activities } from "../activities/index.ts";

export interface ArchiveDayInput {
  readonly table: string;
  /** `2026-11-27`, in UTC. */
  readonly day: string;
}

export type ArchivedDay =
  | {
      readonly outcome: "archived";
      readonly generation: number;
      readonly rows: number;
      readonly bytes: number;
      readonly rawBytes: number;
      readonly hash: string;
    }
  /** The archive holds it, and no row came since. */
  | { readonly outcome: "already archived"; readonly generation: number }
  /** The table holds no row of it, and the archive neither. */
  | { readonly outcome: "empty" };

/** Statements over a whole day: alive is who beats. */
const long: BoundedCalls & EndlessCalls = { startToCloseTimeout: "2h", heartbeatTimeout: "30s" };
const bounded: BoundedCalls = { ...long, scheduleToCloseTimeout: "6h", retry: { maximumAttempts: 10 } };

const generationOf = ({ table, day }: ArchiveDayInput, sealed: { readonly kind: string; readonly generation?: number }) => ({
  table,
  day,
  generation: sealed.generation ?? 0,
});
/** The first run of this execution, also when it was reset: the files carry its name. */
const run = () => workflowInfo().firstExecutionRunId;

/**
 * Takes one day of a table out of ClickHouse and into Parquet files. At every moment the rows are in one of the two, whole; a refusal, a
 * row that comes meanwhile, or a cancellation puts all of it back.
 */
export const archiveDay = saga<ArchiveDayInput, Activities>("archiveDay")
  .step("seal", {
    do: ({ input, key, call }) => call.sealDay(key, input),
    undo: ({ input, key, call }) => call.unsealDay(key, input),
    calls: bounded,
    undoCalls: long,
  })
  .read("survey", async ({ input, done, key, call }) => (isSealed({ done }) ? call.surveyDay(key, input) : undefined), bounded)
  .guarded("export", isSealed, {
    do: ({ input, done, key, call }) => call.exportDay(key, { ...generationOf(input, done.seal), run: run() }, must(done.survey)),
    undo: ({ input, done, key, call }) => call.removeFiles(key, { ...generationOf(input, done.seal), run: run() }),
    calls: bounded,
    undoCalls: long,
  })
  .read(
    "verify",
    async ({ input, done, key, call }) => {
      if (isSealed({ done })) await call.verifyFiles(key, generationOf(input, done.seal), must(done.export), must(done.survey));
    },
    bounded,
  )
  .guarded("publish", isSealed, {
    do: async ({ input, done, key, call }) => {
      const [survey, files] = [must(done.survey), must(done.export)];
      const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
      const at = new Date().toISOString();
      const named = { kind: "headrace.archive", version: 1, at, ...generationOf(input, done.seal) } as const;
      await call.publishManifest(key, { ...named, ...survey, bytes, files });
      return { bytes };
    },
    undo: ({ input, done, key, call }) => call.withdrawManifest(key, generationOf(input, done.seal)),
    calls: bounded,
    undoCalls: long,
  })
  .read(
    "recount",
    async ({ input, done, key, call }) => {
      if (isSealed({ done })) await call.recountDay(key, input, must(done.survey));
    },
    bounded,
  )
  .pivot("drop", {
    do: async ({ input, done, key, call }) => {
      if (isSealed({ done })) await call.dropDay(key, generationOf(input, done.seal), must(done.survey));
    },
    undo: async ({ input, done, key, call }) => {
      if (isSealed({ done })) await call.putDayBack(key, generationOf(input, done.seal));
    },
    calls: bounded,
    undoCalls: long,
  })
  .guarded(
    "record",
    isSealed,
    ({ input, done, key, call }) => call.recordArchive(key, generationOf(input, done.seal), must(done.survey)),
    long,
  )
  .returns(({ done: { seal, survey, publish } }): ArchivedDay => {
    if (seal.kind === "empty") return { outcome: "empty" };
    const { generation } = seal;
    if (seal.kind === "already archived") return { outcome: "already archived", generation };
    const { rows, rawBytes, hash } = must(survey);
    return { outcome: "archived", generation, rows, bytes: must(publish).bytes, rawBytes, hash };
  });

function isSealed({ done }: { readonly done: { readonly seal: { readonly kind: string } } }): boolean {
  return done.seal.kind === "sealed";
}

/** A step that runs has the results of those that run under the same condition. */
function must<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error("a step before has left no result");
  return value;
}

export type ArchivedNight = { readonly day: string } & (ArchivedDay | { readonly outcome: "runs already" });

/** Rows that come while a day is archived put it back; so many times it is begun again. */
const tries = 4;
const dayMs = 86_400_000;

export interface ArchiveNightlyInput {
  readonly table: string;
  /** So many whole days before today stay in the table. */
  readonly keepDays: number;
}

/**
 * The nightly run: archives the day that is `keepDays` days older than the one before it was due, whenever it really runs, so a backfill
 * archives the days that it names. The child's id lets schedule, backfill and a person start a day as often as they like: one of them runs.
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
