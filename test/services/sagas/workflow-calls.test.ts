import { fileURLToPath } from "node:url";
import type { WorkflowHandle } from "@temporalio/client";
import { signalWorkflow, startWorkflow, updateWorkflow } from "headrace";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { silentLogger } from "../../../src/core/log.ts";
import type { WorkflowSinkPlan } from "../../../src/plan/plan.ts";
import { TemporalSink } from "../../../src/sinks/temporal/sink.ts";
import { bundleSagas, openSagaBench, type SagaBench } from "../../support/saga-bench.ts";
import { unique } from "../../support/services.ts";
import { type Added, add, addAndTell, counter } from "./counter-workflow.ts";

let bench: SagaBench;
beforeAll(async () => {
  bench = await openSagaBench(await bundleSagas(fileURLToPath(new URL("counter-workflow.ts", import.meta.url))));
}, 60_000);
afterAll(() => bench.close());

const sinkOf = ({ plan }: { readonly plan: unknown }) =>
  new TemporalSink(plan as WorkflowSinkPlan, {
    client: bench.client,
    clock: systemClock,
    logger: silentLogger,
    signal: new AbortController().signal,
  });
const signals = () => sinkOf(signalWorkflow(add, { workflowId: ({ counter: id }) => id }));
const updates = () => sinkOf(updateWorkflow(addAndTell, { workflowId: ({ counter: id }) => id }));

/** Runs a counter up to a number, with a row for it at hand. */
const counting = <Result>(
  until: number,
  body: (row: (n: number, eventId?: string) => Added, handle: WorkflowHandle<typeof counter>) => Promise<Result>,
) =>
  bench.run(counter, { input: until }, {}, (handle) =>
    body((n, eventId = unique()) => ({ eventId, counter: handle.workflowId, n }), handle),
  );

describe("a row that goes to a running workflow", () => {
  it("as a signal is taken once, however often it comes", async () => {
    await counting(6, async (row, handle) => {
      const [first, second] = [row(2), row(4)];
      const sent = await signals().write([first, first, first]);
      expect(sent).toEqual({ rejected: [], counts: { signalled: 3 } });
      await signals().write([first, second]);
      expect(await handle.result()).toBe(6);
    });
  });

  it("as an update is taken once, however often it comes, and has been when it is confirmed", async () => {
    await counting(100, async (row, handle) => {
      const first = row(2);
      expect(await updates().write([first, row(3), first])).toEqual({ rejected: [], counts: { updated: 3 } });
      expect(await handle.executeUpdate(addAndTell, { args: [row(0)] })).toBe(5);
      await handle.terminate();
    });
  });

  it("becomes a dead letter where the workflow refuses it, or does not run, and its siblings go on", async () => {
    await counting(100, async (row, handle) => {
      const { rejected, counts } = await updates().write([row(-1), row(3), { ...row(1), counter: "nobody" }]);
      expect(rejected).toEqual([
        { row: 0, reason: "only up" },
        { row: 2, reason: "no workflow 'nobody' runs" },
      ]);
      expect(counts).toEqual({ updated: 1 });
      await handle.terminate();
      expect(await signals().write([row(1)])).toMatchObject({
        rejected: [{ row: 0, reason: `no workflow '${handle.workflowId}' runs` }],
      });
      expect(await updates().write([row(1)])).toMatchObject({
        rejected: [{ row: 0, reason: `no workflow '${handle.workflowId}' runs` }],
      });
    });
  });

  it("that is larger than Temporal takes becomes a dead letter", async () => {
    await counting(100, async (row, handle) => {
      const { rejected } = await signals().write([{ ...row(1), text: "x".repeat(3_000_000) }, row(2)]);
      expect(rejected).toMatchObject([{ row: 0 }]);
      await handle.terminate();
    });
  });
});

describe("a start", () => {
  it("that comes after it was of use is left out, and counted; one in time begins after its delay", async () => {
    const taskQueue = unique("queue-");
    const sink = sinkOf(
      startWorkflow(async function remind(_: { readonly id: string; readonly until: number }) {}, {
        taskQueue,
        workflowId: ({ id }) => id,
        delayMs: 3_600_000,
        notAfter: ({ until }) => new Date(until),
      }),
    );
    const [late, timely] = [unique("late-"), unique("timely-")];
    const sent = await sink.write([
      { id: late, until: Date.now() - 1 },
      { id: timely, until: Date.now() + 60_000 },
    ]);
    expect(sent).toEqual({ rejected: [], counts: { started: 1, joined: 0, alreadyDone: 0, stale: 1 } });
    await expect(bench.client.workflow.getHandle(late).describe()).rejects.toThrow();
    const there = await bench.client.workflow.getHandle(timely).describe();
    // Nobody is asked to run it yet.
    expect([there.type, there.historyLength]).toEqual(["remind", 1]);
    await bench.client.workflow.getHandle(timely).terminate();
  });
});
