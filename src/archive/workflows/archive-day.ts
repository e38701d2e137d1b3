import { workflowInfo } from "@temporalio/workflow";
import { type BoundedCalls, type EndlessCalls, saga } from "../../saga/index.ts";
import type { ArchiveActivities } from "../activities.ts";

/** Which day of which table. */
export interface ArchiveDayInput {
  /** One of `archives` of the application. */
  readonly table: string;
  /** `2026-11-27`, in UTC. */
  readonly day: string;
}

/** What has become of a day. */
export type ArchivedDay =
  | {
      /** The rows are in the archive. */
      readonly outcome: "archived";
      /** From 1 on: rows that come late are the next one. */
      readonly generation: number;
      /** How many there are, repeats not counted. */
      readonly rows: number;
      /** What the files take up, bytes. */
      readonly bytes: number;
      /** What the rows take up uncompressed, bytes. */
      readonly rawBytes: number;
      /** The same for the same rows, in whatever order. */
      readonly hash: string;
    }
  | {
      /** The archive holds it, and no row came since. */
      readonly outcome: "already archived";
      /** The newest one. */
      readonly generation: number;
    }
  | {
      /** The table holds no row of it, and the archive neither. */
      readonly outcome: "empty";
    };

/** Statements over a whole day take long: their heartbeats say that they are alive. */
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
 * row that comes meanwhile, or a cancellation puts all of it back. `headrace archive run` starts it.
 *
 * @example
 * ```ts
 * // workflows/index.ts
 * export { archiveDay, archiveNightly } from "headrace/archive/workflows";
 * ```
 */
export const archiveDay = saga<ArchiveDayInput, ArchiveActivities>("archiveDay")
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
