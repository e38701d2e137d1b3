import { Connection } from "@temporalio/client";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { carts } from "../../pipelines/streams.ts";
import { keys, type Partition, partitionsOf } from "../../src/bus/partition.ts";
import { linesOf, type Operator, openOperator } from "../support/operator.ts";
import { redisClient } from "../support/redis.ts";
import { unique } from "../support/services.ts";

const dayMs = 86_400_000;
const namespace = unique("three-days-");
const env = { TEMPORAL_NAMESPACE: namespace };
const began = Date.now();

let operator: Operator;
let connection: Connection;

/** Presses of "pay" of five and of two days ago, which the pipeline has read; its Temporal remembers three. */
beforeAll(async () => {
  operator = await openOperator();
  connection = await Connection.connect({ address: operator.env["TEMPORAL_ADDRESS"] as string });
  const workflowExecutionRetentionPeriod = { seconds: (3 * 86_400) as never };
  await connection.workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod });
  await vi.waitFor(() => connection.workflowService.describeNamespace({ namespace }), { timeout: 30_000, interval: 200 });
  const redis = await redisClient(operator.env["REDIS_URL"] as string);
  const partition = partitionsOf(carts.plan)[0] as Partition;
  const { log } = partition;
  const data = JSON.stringify({ type: "cart.checkout_requested", data: { cartId: "c", checkoutId: "k", paymentToken: "tok" } });
  for (const age of [5, 2]) await redis.xAdd(log, `${began - age * dayMs}-0`, { data });
  await redis.xGroupCreate(log, "carts", "$");
  const letter = {
    pipeline: "carts",
    partition: "carts/00",
    at: new Date().toISOString(),
    entry: `${began - 5 * dayMs}-0`,
    index: "0",
  };
  const why = {
    stage: "sink:history",
    reason: "row-refused",
    error: "no",
    type: "cart.checkout_requested",
    event: "e",
    original: data,
  };
  await redis.xAdd(keys.deadLetters(partition), "*", { ...letter, ...why });
  redis.destroy();
}, 60_000);
afterAll(async () => {
  await operator.stopAll();
  await connection.close();
});

async function replay(pipeline: string, from: string, more: Readonly<Record<string, string>> = {}) {
  const args = ["replay", "--pipeline", pipeline, "--from", from, "--state-again", "--json"];
  const { code, stdout, stderr } = await operator.tryRun(args, { env: { ...env, ...more } });
  const summary = linesOf<{ readonly entries?: number; readonly knownFrom?: string }>(stdout).at(-1);
  return { code, stderr, summary };
}

describe("a workflow whose id Temporal may have forgotten", () => {
  it("is named by a replay of older events, with the time from which on all ids are known", async () => {
    const { code, stderr, summary } = await replay("carts", "0");
    expect({ code, entries: summary?.entries }).toEqual({ code: 0, entries: 2 });
    expect(stderr).toContain(`keeps a run that has ended for 3 days (namespace '${namespace}')`);
    expect(stderr).toContain("and then starts checkout again");
    expect(stderr).toContain(`stored before ${summary?.knownFrom}`);
    const agoMs = Date.now() - Date.parse(summary?.knownFrom ?? "");
    expect(agoMs).toBeGreaterThanOrEqual(3 * dayMs);
    expect(agoMs).toBeLessThan(3 * dayMs + 60_000);
  });

  it("is named before dead letters are replayed that another destination refused, since it may have been started then", async () => {
    const args = ["dlq", "replay", "--pipeline", "carts", "--state-again", "--json"];
    const { code, stdout, stderr } = await operator.tryRun(args, { env });
    expect({ code, lines: linesOf(stdout).length }).toEqual({ code: 0, lines: 2 });
    expect(stderr).toMatch(/keeps a run that has ended for 3 days.*starts checkout again/);
    const other = await operator.tryRun([...args, "--reason", "schema"], { env });
    expect(other).toMatchObject({ code: 0, stderr: "" });
  });

  it("is not where only younger ones are read again, or a pipeline that starts none", async () => {
    const younger = await replay("carts", new Date(began - 4 * dayMs).toISOString());
    expect(younger).toMatchObject({ code: 0, stderr: "", summary: { entries: 1 } });
    expect(younger.summary).not.toHaveProperty("knownFrom");
    const none = await replay("login-analytics", "0", { TEMPORAL_ADDRESS: "127.0.0.1:1" });
    expect(none).toMatchObject({ code: 0, stderr: "" });
  });

  it("may be one where Temporal cannot be asked", async () => {
    const { code, stderr, summary } = await replay("carts", "0", { TEMPORAL_NAMESPACE: "nowhere" });
    expect({ code, entries: summary?.entries }).toEqual({ code: 0, entries: 2 });
    expect(stderr).toMatch(/does not tell how long it keeps the ids.*no namespace 'nowhere'/);
    expect(stderr).toContain("checkout is started again");
  });

  it("is no fault of the environment: the doctor notes for how long ids are known", async () => {
    const { stdout } = await operator.tryRun(["doctor", "--json"], { env });
    const findings = linesOf<{ severity?: string; where?: string; what?: string; hint?: string }>(stdout);
    expect(findings.filter(({ where }) => where?.startsWith("temporal"))).toEqual([
      {
        severity: "note",
        where: `temporal namespace '${namespace}'`,
        what: expect.stringMatching(/has ended for 3 days.* starts checkout again/),
        hint: expect.stringContaining(`temporal operator namespace update -n ${namespace} --retention`),
      },
    ]);
  });
});
