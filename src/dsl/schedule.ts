import { days, minutes } from "../core/duration.ts";
import { ConfigError } from "../core/errors.ts";
import type { SchedulePlan } from "../plan/schedule.ts";
import { checkOptions, duration, flag, needed, type OptionsShape, oneOf, text } from "./check-options.ts";
import type { TypeHint } from "./hints.ts";

/** A schedule of the application: `headrace migrate` makes it in Temporal. */
export interface Schedule {
  /** The schedule as data. */
  readonly plan: SchedulePlan;
}

/** What a schedule says of the runs that it starts. */
export interface ScheduledWorkflowOptions {
  /** Where it runs: a saga worker of the application takes every task queue that it names. */
  readonly taskQueue: string;
  /** What becomes of a run that is due while the one before still runs. @default "skip" */
  readonly overlap?: "skip" | "wait";
  /** How far back runs are made up for that were due while Temporal was away, milliseconds. @default 10 min; 7 days for a daily one */
  readonly catchUpMs?: number;
  /** Start nothing more once a run has failed, until an operator says so. @default false */
  readonly pauseOnFailure?: boolean;
}

/** When a workflow is started again, and with what: `everyMs`, or `dailyAt` in UTC. */
export type ScheduleOptions<Input = undefined> = ScheduledWorkflowOptions &
  ([Input] extends [undefined]
    ? { readonly input?: TypeHint<"The workflow takes no input"> }
    : { /** What each run is given. */ readonly input: Input }) &
  (
    | { /** Time between two runs. */ readonly everyMs: number; readonly dailyAt?: never }
    | { /** A time of the day in UTC, such as `02:15`. */ readonly dailyAt: string; readonly everyMs?: never }
  );

const shape: OptionsShape = {
  taskQueue: text,
  everyMs: duration,
  dailyAt: text,
  overlap: oneOf("skip", "wait"),
  catchUpMs: duration,
  pauseOnFailure: flag,
  input: needed,
};

/**
 * Has a workflow started again and again, each time with the same input. Its id is `<name>-<the time it was due>`.
 *
 * @throws ConfigError `config.invalid` where it says neither or both of `everyMs` and `dailyAt`, or no time of a day
 * @example
 * ```ts
 * async function sweep(): Promise<void> {}
 * export const sweeping = defineSchedule("sweep", sweep, { taskQueue: "sweeps", everyMs: minutes(5) });
 * ```
 */
export function defineSchedule<Input = undefined>(
  name: string,
  workflow: (input: Input) => Promise<unknown>,
  options: ScheduleOptions<NoInfer<Input>>,
): Schedule {
  const where = `schedule '${name}'`;
  checkOptions(where, options, shape);
  const { taskQueue, input, overlap = "skip", pauseOnFailure = false } = options;
  const when = whenOf(where, options);
  const catchUpMs = options.catchUpMs ?? (when.kind === "daily" ? days(7) : minutes(10));
  const what = { workflow: workflow.name, taskQueue, ...(input !== undefined && { input }) };
  return { plan: { kind: "schedule", name, ...what, when, overlap, catchUpMs, pauseOnFailure } };
}

function whenOf(where: string, { everyMs, dailyAt }: Pick<ScheduleOptions, "everyMs" | "dailyAt">): SchedulePlan["when"] {
  const [, hour, minute] = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(dailyAt ?? "") ?? [];
  if (everyMs !== undefined && dailyAt === undefined) return { kind: "every", ms: everyMs };
  if (everyMs === undefined && hour !== undefined) return { kind: "daily", hour: Number(hour), minute: Number(minute) };
  throw new ConfigError(
    "config.invalid",
    `${where}: it says ${dailyAt === undefined ? "not when it is due" : `'${dailyAt}'${everyMs === undefined ? ", which is no time of a day" : " and everyMs"}`}`,
    {
      hint: 'Give everyMs, or dailyAt in UTC, such as dailyAt: "02:15".',
    },
  );
}
