import { Client, Connection } from "@temporalio/client";
import { defineSchedule } from "headrace";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { SchedulePlan } from "../../src/plan/schedule.ts";
import { applySchedules, planSchedules } from "../../src/sinks/temporal/schedules.ts";
import { temporalAddress, unique } from "../support/services.ts";

let connection: Connection;
let client: Client;
const made: string[] = [];
beforeAll(async () => {
  connection = await Connection.connect({ address: temporalAddress() });
  client = new Client({ connection });
});
afterAll(async () => {
  await Promise.allSettled(made.map((name) => client.schedule.getHandle(name).delete()));
  await connection.close();
});

async function nightly(): Promise<void> {}
const named = (more: object = {}): SchedulePlan => {
  const name = unique("schedule-");
  made.push(name);
  return defineSchedule(name, nightly, { taskQueue: "nobody", dailyAt: "02:15", overlap: "wait", pauseOnFailure: true, ...more })
    .plan;
};
const describeSchedule = (name: string) => client.schedule.getHandle(name).describe();

describe("a schedule", () => {
  it("is planned, made as it is declared, and left alone from then on", async () => {
    const plan = named();
    expect(await planSchedules(client, [plan])).toMatchObject([
      { kind: "create", object: `schedule ${plan.name}`, summary: `make the schedule ${plan.name}: nightly daily at 02:15 UTC` },
    ]);
    await applySchedules(client, await planSchedules(client, [plan]));
    expect(await describeSchedule(plan.name)).toMatchObject({
      action: { workflowType: "nightly", taskQueue: "nobody" },
      policies: { overlap: "BUFFER_ALL", catchupWindow: 7 * 86_400_000, pauseOnFailure: true },
      state: { paused: false, note: expect.stringContaining("backfill") },
    });
    expect(await planSchedules(client, [plan])).toEqual([]);
  });

  it("is made once by two who make it at the same time", async () => {
    const plan = named();
    const [one, other] = [await planSchedules(client, [plan]), await planSchedules(client, [plan])];
    await Promise.all([applySchedules(client, one), applySchedules(client, other)]);
    expect(await planSchedules(client, [plan])).toEqual([]);
  });

  it("that is declared otherwise is changed, and stays paused where an operator has paused it", async () => {
    const plan = named();
    await applySchedules(client, await planSchedules(client, [plan]));
    await client.schedule.getHandle(plan.name).pause("while the store is moved");
    const changed: SchedulePlan = { ...plan, when: { kind: "every", ms: 60_000 } };
    const steps = await planSchedules(client, [changed]);
    expect(steps).toMatchObject([{ kind: "alter", summary: `change the schedule ${plan.name}: nightly every 60 s` }]);
    await applySchedules(client, steps);
    const there = await describeSchedule(plan.name);
    expect(there.spec.intervals).toMatchObject([{ every: 60_000 }]);
    expect(there.state).toMatchObject({ paused: true, note: "while the store is moved" });
    expect(await planSchedules(client, [changed])).toEqual([]);
  });

  it("that is changed keeps the run that waits for the one before it", async () => {
    const plan = named({ pauseOnFailure: false });
    await applySchedules(client, await planSchedules(client, [plan]));
    const handle = client.schedule.getHandle(plan.name);
    const running = async () => (await describeSchedule(plan.name)).info.runningActions;
    await handle.trigger("BUFFER_ALL");
    await vi.waitFor(async () => expect(await running()).toHaveLength(1), { timeout: 30_000, interval: 100 });
    const [first] = await running();
    await handle.trigger("BUFFER_ALL");
    const waiting = async () => Number((await describeSchedule(plan.name)).raw.info?.bufferSize ?? 0);
    await vi.waitFor(async () => expect(await waiting()).toBe(1), { timeout: 30_000, interval: 100 });

    const changed: SchedulePlan = { ...plan, when: { kind: "daily", hour: 4, minute: 30 } };
    await applySchedules(client, await planSchedules(client, [changed]));
    expect(await planSchedules(client, [changed])).toEqual([]);
    await client.workflow.getHandle(first?.workflow.workflowId as string).terminate();
    // Two of one second have one id.
    const next = await vi.waitFor(
      async () => {
        const [run] = await running();
        expect(run).toBeDefined();
        expect(run?.workflow.firstExecutionRunId).not.toBe(first?.workflow.firstExecutionRunId);
        return run;
      },
      { timeout: 60_000, interval: 100 },
    );
    await client.workflow.getHandle(next?.workflow.workflowId as string).terminate();
  }, 150_000);

  it("that an earlier version has made is known by its own memo, and is changed in place", async () => {
    const plan = named({ pauseOnFailure: false });
    await applySchedules(client, await planSchedules(client, [plan]));
    const { action } = await describeSchedule(plan.name);
    const memo = action.memo as Record<string, unknown>;
    await client.schedule.getHandle(plan.name).delete();
    await client.schedule.create({
      scheduleId: plan.name,
      spec: { intervals: [{ every: 3_600_000 }] },
      action: { type: "startWorkflow", workflowType: "nightly", taskQueue: "nobody" },
      memo,
    });
    expect(await planSchedules(client, [plan])).toEqual([]);
    const changed: SchedulePlan = { ...plan, when: { kind: "every", ms: 60_000 } };
    await applySchedules(client, await planSchedules(client, [changed]));
    expect((await describeSchedule(plan.name)).spec.intervals).toMatchObject([{ every: 60_000 }]);
    expect(await planSchedules(client, [changed])).toEqual([]);
  });

  it("starts its workflow when it is triggered, under an id of its own", async () => {
    const plan = named({ dailyAt: undefined, everyMs: 3_600_000 });
    await applySchedules(client, await planSchedules(client, [plan]));
    await client.schedule.getHandle(plan.name).trigger();
    const runs = await vi.waitFor(
      async () => {
        const { recentActions } = (await describeSchedule(plan.name)).info;
        expect(recentActions).toHaveLength(1);
        return recentActions;
      },
      { timeout: 30_000, interval: 100 },
    );
    const [run] = runs as unknown as [{ readonly action: { readonly workflow: { readonly workflowId: string } } }];
    const { workflow } = run.action;
    expect(workflow.workflowId.startsWith(`${plan.name}-`)).toBe(true);
    expect((await client.workflow.getHandle(workflow.workflowId).describe()).type).toBe("nightly");
    await client.workflow.getHandle(workflow.workflowId).terminate();
  });
});
