import { createHash } from "node:crypto";
import { type Client, ScheduleAlreadyRunning, ScheduleNotFoundError, type ScheduleUpdateOptions } from "@temporalio/client";
import type { SchedulePlan } from "../../plan/schedule.ts";

/** Under this name the memo of what a schedule starts remembers the plan. Earlier versions kept it in the memo of the schedule, which cannot be changed. */
const planMemo = "headrace-plan";

export interface ScheduleStep {
  readonly kind: "create" | "alter";
  readonly object: string;
  readonly summary: string;
  readonly plan: SchedulePlan;
}

/** What Temporal lacks of these schedules. One that an operator has paused stays so. */
export async function planSchedules(client: Client, plans: readonly SchedulePlan[]): Promise<readonly ScheduleStep[]> {
  const steps = await Promise.all(
    plans.map(async (plan): Promise<readonly ScheduleStep[]> => {
      const there = await client.schedule
        .getHandle(plan.name)
        .describe()
        .catch((error: unknown) => {
          if (error instanceof ScheduleNotFoundError) return undefined;
          throw error;
        });
      if ((there?.action.memo?.[planMemo] ?? there?.memo?.[planMemo]) === fingerprintOf(plan)) return [];
      const verb = there ? "change" : "make";
      const summary = `${verb} the schedule ${plan.name}: ${plan.workflow} ${describeWhen(plan.when)}`;
      return [{ kind: there ? "alter" : "create", object: `schedule ${plan.name}`, summary, plan }];
    }),
  );
  return steps.flat();
}

/** Makes and changes schedules. A change keeps the runs that are due or wait for their turn, and what an operator has paused. */
export async function applySchedules(client: Client, steps: readonly ScheduleStep[]): Promise<void> {
  for (const { kind, plan } of steps) if (kind === "create" || !(await change(client, plan))) await create(client, plan);
}

async function create(client: Client, plan: SchedulePlan): Promise<void> {
  await client.schedule.create({ scheduleId: plan.name, ...toOptions(plan) }).catch((error: unknown) => {
    // Another migration at the same time was faster.
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
  });
}

/** Whether it was still there. */
async function change(client: Client, plan: SchedulePlan): Promise<boolean> {
  try {
    await client.schedule.getHandle(plan.name).update(({ state: { paused, note } }) => {
      const options = toOptions(plan);
      return paused ? { ...options, state: { paused, ...(note !== undefined && { note }) } } : options;
    });
    return true;
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return false;
    throw error;
  }
}

const fingerprintOf = (plan: SchedulePlan): string =>
  createHash("sha256").update(JSON.stringify(plan)).digest("hex").slice(0, 16);

const toOptions = (plan: SchedulePlan): ScheduleUpdateOptions => ({
  spec:
    plan.when.kind === "every"
      ? { intervals: [{ every: plan.when.ms }] }
      : { calendars: [{ hour: plan.when.hour, minute: plan.when.minute }], timezone: "UTC", jitter: "5m" },
  action: {
    type: "startWorkflow",
    workflowType: plan.workflow,
    taskQueue: plan.taskQueue,
    workflowId: plan.name,
    args: plan.input === undefined ? [] : [plan.input],
    memo: { [planMemo]: fingerprintOf(plan) },
  },
  policies: {
    overlap: plan.overlap === "wait" ? "BUFFER_ALL" : "SKIP",
    catchupWindow: plan.catchUpMs,
    pauseOnFailure: plan.pauseOnFailure,
  },
  state: {
    paused: false,
    note: plan.pauseOnFailure
      ? "It pauses when a run fails. Mend the cause, backfill what was missed, and unpause it."
      : "Made by 'headrace migrate'.",
  },
});

function describeWhen(when: SchedulePlan["when"]): string {
  if (when.kind === "every") return `every ${when.ms / 1_000} s`;
  return `daily at ${String(when.hour).padStart(2, "0")}:${String(when.minute).padStart(2, "0")} UTC`;
}
