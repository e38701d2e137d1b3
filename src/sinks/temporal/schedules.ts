import { createHash } from "node:crypto";
import { type Client, ScheduleAlreadyRunning, ScheduleNotFoundError, type ScheduleOptions } from "@temporalio/client";
import type { SchedulePlan } from "../../plan/schedule.ts";

/** Under this name a schedule remembers the plan that it was made by. */
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
      if (there?.memo?.[planMemo] === fingerprintOf(plan)) return [];
      const verb = there ? "change" : "make";
      const summary = `${verb} the schedule ${plan.name}: ${plan.workflow} ${describeWhen(plan.when)}`;
      return [{ kind: there ? "alter" : "create", object: `schedule ${plan.name}`, summary, plan }];
    }),
  );
  return steps.flat();
}

/** Makes and changes schedules. A change is a new making under the same name: a memo cannot be changed. */
export async function applySchedules(client: Client, steps: readonly ScheduleStep[]): Promise<void> {
  for (const { kind, plan } of steps) {
    let paused = false;
    if (kind === "alter") {
      const handle = client.schedule.getHandle(plan.name);
      paused = (await handle.describe()).state.paused;
      await handle.delete();
    }
    await client.schedule.create(toOptions(plan, paused)).catch((error: unknown) => {
      // Another migration at the same time was faster.
      if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    });
  }
}

const fingerprintOf = (plan: SchedulePlan): string =>
  createHash("sha256").update(JSON.stringify(plan)).digest("hex").slice(0, 16);

const toOptions = (plan: SchedulePlan, paused: boolean): ScheduleOptions => ({
  scheduleId: plan.name,
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
  },
  policies: {
    overlap: plan.overlap === "wait" ? "BUFFER_ALL" : "SKIP",
    catchupWindow: plan.catchUpMs,
    pauseOnFailure: plan.pauseOnFailure,
  },
  state: {
    paused,
    note: plan.pauseOnFailure
      ? "It pauses when a run fails. Mend the cause, backfill what was missed, and unpause it."
      : "Made by 'headrace migrate'.",
  },
  memo: { [planMemo]: fingerprintOf(plan) },
});

function describeWhen(when: SchedulePlan["when"]): string {
  if (when.kind === "every") return `every ${when.ms / 1_000} s`;
  return `daily at ${String(when.hour).padStart(2, "0")}:${String(when.minute).padStart(2, "0")} UTC`;
}
