import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openShopNamespace, type ShopNamespace } from "../support/shop-namespace.ts";
import { openTemporalTls, type TemporalTls } from "../support/temporal-tls.ts";

let shop: ShopNamespace;
let tls: TemporalTls;

beforeAll(async () => {
  shop = await openShopNamespace();
  tls = await openTemporalTls(shop.operator.env["TEMPORAL_ADDRESS"] as string);
}, 60_000);
afterAll(async () => {
  await shop.close();
  tls.close();
});

const without = (...names: readonly string[]) =>
  Object.fromEntries(Object.entries({ ...shop.env, ...tls.env }).filter(([name]) => !names.includes(name)));

describe("a Temporal that asks for TLS, a certificate and an API key", () => {
  it("is reached by everyone with Temporal's own variables: a cart is sold", async () => {
    const env = without();
    await Promise.all(
      ["worker", "participants", "saga"].map((role) => shop.operator.start(["start", "--role", role, "--json"], { env })),
    );
    const { workflowId } = await shop.press("tok_ok", env);
    const handle = shop.temporal.workflow.getHandle(workflowId);
    await expect
      .poll(async () => (await handle.describe().catch(() => undefined))?.status.name, { timeout: 60_000 })
      .toBe("COMPLETED");
    // Through this door, and no other way.
    expect([...tls.calls]).toEqual(
      expect.arrayContaining(["StartWorkflowExecution", "RespondWorkflowTaskCompleted", "RespondActivityTaskCompleted"]),
    );
  }, 120_000);

  // Side by side: each waits for ten seconds whether Temporal answers after all.
  it.concurrent.each([
    ["without the API key", ["TEMPORAL_API_KEY"]],
    ["without the certificate", ["TEMPORAL_TLS_CLIENT_CERT_PATH", "TEMPORAL_TLS_CLIENT_KEY_PATH"]],
    ["without the authority", ["TEMPORAL_TLS_SERVER_CA_CERT_PATH"]],
  ])(
    "refuses a saga worker %s, and its last line says so",
    async (_, names) => {
      const { code, stderr } = await shop.operator.tryRun(["start", "--role", "saga"], { env: without(...names) });
      expect(code).toBe(1);
      expect(stderr).toContain(`Temporal does not answer at ${tls.address}`);
    },
    60_000,
  );
});
