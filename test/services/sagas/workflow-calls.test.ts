import { fileURLToPath } from "node:url";
import { Client, type WorkflowHandle } from "@temporalio/client";
import { type SinkRef, signalWorkflow, startWorkflow, updateWorkflow } from "headrace";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { createSinks } from "../../../src/host/sinks.ts";
import { createLimits } from "../../../src/limit/limits.ts";
import type { OwnSinkPlan, WorkflowSinkPlan } from "../../../src/plan/plan.ts";
import { addAttributes } from "../../../src/sinks/temporal/search-attributes.ts";
import { TemporalSink } from "../../../src/sinks/temporal/sink.ts";
import { bundleSagas, openSagaBench, type SagaBench } from "../../support/saga-bench.ts";
import { unique } from "../../support/services.ts";
import { type Added, add, addAndTell, counter } from "./counter-workflow.ts";

let bench: SagaBench;
beforeAll(async () => {
  bench = await openSagaBench(await bundleSagas(fileURLToPath(new URL("counter-workflow.ts", import.meta.url))));
}, 60_000);
afterAll(() => bench.close());

const sinkOf = ({ plan }: { readonly plan: unknown }, client = bench.client) =>
  new TemporalSink(plan as WorkflowSinkPlan, {
    client,
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

  it("becomes a dead letter where it holds half a character, in its workflow's id or its input", async () => {
    await counting(100, async (row, handle) => {
      const reason = expect.stringMatching(/^half-character: a text of the workflow's input holds half a character/);
      const sent = [
        { ...row(1), counter: "half \ud83d" },
        row(2),
        { ...row(3), text: { "\udc00": 1 } },
        { ...row(4), text: "\\ud83d 😀" },
      ];
      expect((await signals().write(sent)).rejected).toEqual([
        { row: 0, reason },
        { row: 2, reason },
      ]);
      await handle.terminate();
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
  interface Parcel {
    readonly id: string;
    readonly grams: number;
    readonly sent?: number;
  }
  async function send(_: Parcel) {}
  const sending = (names: { readonly grams: string; readonly sent: string }) =>
    sinkOf(
      startWorkflow(send, {
        taskQueue: unique("queue-"),
        workflowId: ({ id }) => id,
        searchAttributes: {
          [names.grams]: { type: "Int", value: ({ grams }) => grams },
          [names.sent]: { type: "Datetime", value: ({ sent }) => (sent === undefined ? undefined : new Date(sent)) },
        },
        summary: ({ grams }) => `a parcel of ${grams} g`,
      }),
    );

  it("carries search attributes and a summary; it waits until the namespace has the attributes", async () => {
    const names = { grams: unique("Grams").replaceAll("-", ""), sent: unique("Sent").replaceAll("-", "") };
    const [light, heavy] = [unique("parcel-"), unique("parcel-")];
    const sink = sending(names);
    const sent = Date.parse("2026-11-27T10:00:00Z");
    const writing = sink.write([
      { id: light, grams: 20, sent },
      { id: heavy, grams: 9_000 },
    ]);
    expect(await Promise.race([writing, systemClock.sleep(1_500).then(() => "waits")])).toBe("waits");
    const { namespace } = bench.client.options;
    await addAttributes(bench.client.connection, { namespace, wanted: { [names.grams]: "Int", [names.sent]: "Datetime" } });
    expect(await writing).toEqual({ rejected: [], counts: { started: 2, joined: 0, alreadyDone: 0 } });

    const [first, second] = await Promise.all([light, heavy].map((id) => bench.client.workflow.getHandle(id).describe()));
    expect(first?.searchAttributes).toMatchObject({ [names.grams]: [20], [names.sent]: [new Date(sent)] });
    expect(second?.searchAttributes).toMatchObject({ [names.grams]: [9_000] });
    expect(second?.searchAttributes).not.toHaveProperty(names.sent);
    expect(await second?.staticSummary()).toBe("a parcel of 9000 g");
    await Promise.all([light, heavy].map((id) => bench.client.workflow.getHandle(id).terminate()));
  }, 60_000);

  it("stops the pipeline, and makes no dead letter, where the namespace is not there or was deprecated", async () => {
    const { connection } = bench.client;
    const [missing, namespace] = [unique("missing-"), unique("ending-")];
    const start = startWorkflow(send, { taskQueue: unique("queue-"), workflowId: ({ id }) => id });
    const write = (where: string) =>
      sinkOf(start, new Client({ connection, namespace: where })).write([{ id: unique("parcel-"), grams: 1 }]);
    const refusal = { name: "ConfigError", code: "temporal.refused" };
    await expect(write(missing)).rejects.toMatchObject({
      ...refusal,
      message: expect.stringContaining(`no namespace '${missing}'`),
    });
    await connection.workflowService.registerNamespace({
      namespace,
      workflowExecutionRetentionPeriod: { seconds: 86_400 as never },
    });
    const patience = { timeout: 30_000, interval: 200 };
    await vi.waitFor(() => connection.workflowService.deprecateNamespace({ namespace }), patience);
    await vi.waitFor(
      () => expect(write(namespace)).rejects.toMatchObject({ ...refusal, message: expect.stringContaining("invalid state") }),
      patience,
    );
  }, 60_000);

  it("is made in the way of the sink it came through, where two sinks of a process start the same workflow", async () => {
    const taskQueue = unique("queue-");
    const [one, other] = (["one", "other"] as const).map((prefix) =>
      startWorkflow(send, { taskQueue, workflowId: ({ id }) => `${prefix}-${id}` }),
    ) as [SinkRef<Parcel>, SinkRef<Parcel>];
    const { sinkFor, close } = await createSinks({
      temporal: bench.client,
      clickhouse: undefined as never,
      clock: systemClock,
      logger: silentLogger,
      signal: new AbortController().signal,
      limitFor: createLimits({ clock: systemClock, logger: silentLogger }),
      rollups: [],
      marks: undefined,
    });
    const id = unique("parcel-");
    for (const { plan } of [one, other]) await sinkFor(plan as OwnSinkPlan).write([{ id, grams: 1 }], 1);
    expect(sinkFor(one.plan as OwnSinkPlan)).toBe(sinkFor(one.plan as OwnSinkPlan));
    for (const prefix of ["one", "other"]) {
      const handle = bench.client.workflow.getHandle(`${prefix}-${id}`);
      expect((await handle.describe()).status.name).toBe("RUNNING");
      await handle.terminate();
    }
    await close();
  });

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
