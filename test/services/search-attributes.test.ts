import { Connection } from "@temporalio/client";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Operator, openOperator } from "../support/operator.ts";
import { unique } from "../support/services.ts";

let operator: Operator;
let connection: Connection;
const namespace = unique("bare-");

beforeAll(async () => {
  operator = await openOperator();
  connection = await Connection.connect({ address: operator.env["TEMPORAL_ADDRESS"] as string });
  await connection.workflowService.registerNamespace({
    namespace,
    workflowExecutionRetentionPeriod: { seconds: 86_400 as never },
  });
  await vi.waitFor(() => connection.operatorService.listSearchAttributes({ namespace }), { timeout: 30_000, interval: 200 });
}, 60_000);
afterAll(async () => {
  await operator.stopAll();
  await connection.close();
});

const env = { TEMPORAL_NAMESPACE: namespace };
const attributesThere = async () =>
  Object.keys((await connection.operatorService.listSearchAttributes({ namespace })).customAttributes ?? {});

describe("a namespace without the search attributes of sagas", () => {
  it("is refused by a saga worker, with the way out; is planned by migrate, and has them when that is applied", async () => {
    const refused = await operator.tryRun(["start", "--role", "saga", "--json"], { env });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(
      `namespace '${namespace}' lacks the search attributes SagaStep, SagaOutcome, NeedsAttention`,
    );
    expect(refused.stderr).toContain("Run 'headrace migrate --apply'");

    const plan = await operator.run(["migrate", "--json"], { env });
    expect(plan.stdout).toContain('"object":"search attribute NeedsAttention"');
    expect(await attributesThere()).not.toContain("NeedsAttention");

    await operator.run(["migrate", "--apply"], { env });
    expect(await attributesThere()).toEqual(expect.arrayContaining(["SagaStep", "SagaOutcome", "NeedsAttention"]));
    expect((await operator.run(["migrate", "--apply"], { env })).stderr).toContain("Nothing to do");
    await vi.waitFor(() => operator.start(["start", "--role", "saga", "--json"], { env }), { timeout: 40_000, interval: 1_000 });
  }, 90_000);

  it("leaves the tables to be made where Temporal does not answer, and says what was not looked at", async () => {
    const { code, stderr } = await operator.tryRun(["migrate", "--apply"], { env: { TEMPORAL_ADDRESS: "127.0.0.1:1" } });
    expect(code).toBe(0);
    expect(stderr).toMatch(/Sagas were not looked at: Temporal does not answer at 127\.0\.0\.1:1/);
  }, 60_000);
});
