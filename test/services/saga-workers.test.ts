import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { freePort } from "../support/free-port.ts";
import { linesOf } from "../support/operator.ts";
import { bundleApplication } from "../support/saga-bench.ts";
import { unique } from "../support/services.ts";
import { openShopNamespace, type ShopNamespace } from "../support/shop-namespace.ts";

let shop: ShopNamespace;
let directory: string;
const patient = { timeout: 60_000, interval: 100 };

beforeAll(async () => {
  shop = await openShopNamespace();
  directory = await mkdtemp(join(tmpdir(), "headrace-workers-"));
  // One bundle for all workers of this file.
  await writeFile(bundle(), await bundleApplication());
  await Promise.all([start("worker", "--pipelines", "carts,orders"), start("participants")]);
}, 120_000);
afterAll(async () => {
  await shop.close();
  await rm(directory, { recursive: true, force: true });
}, 60_000);

const bundle = () => join(directory, "workflows.js");
const start = (role: string, ...more: readonly string[]) =>
  shop.operator.start(["start", "--role", role, "--json", ...more], {
    env: { ...shop.env, HEADRACE_WORKFLOW_BUNDLE: bundle() },
  });
const handleOf = (workflowId: string) => shop.temporal.workflow.getHandle(workflowId);
/** Resolves when the bank is being asked. */
const isPaying = (workflowId: string) =>
  vi.waitFor(async () => {
    const { raw } = await handleOf(workflowId).describe();
    // 2 is PENDING_ACTIVITY_STATE_STARTED.
    expect(raw.pendingActivities?.map(({ activityId, state }) => `${activityId} ${state}`)).toEqual(["payment 2"]);
  }, patient);

describe("a saga worker", () => {
  it("that is stopped while an activity is under way lets it finish; another goes on, and nothing is done twice", async () => {
    const first = await start("saga");
    const { workflowId } = await shop.press("tok_slow");
    await isPaying(workflowId);
    await first.stop();
    expect(first.process.exitCode).toBe(0);
    const second = await start("saga");
    await handleOf(workflowId).result();

    const { events = [] } = await handleOf(workflowId).fetchHistory();
    const attempts = (events ?? []).flatMap(({ activityTaskStartedEventAttributes: started }) =>
      started ? [started.attempt] : [],
    );
    expect(attempts.length).toBeGreaterThan(2);
    expect(new Set(attempts)).toEqual(new Set([1]));
    await second.stop();
  }, 120_000);

  it("serves the numbers of Temporal's SDK where it is asked to, and tells where in its ready line and in the registry", async () => {
    const env = { ...shop.env, HEADRACE_WORKFLOW_BUNDLE: bundle(), HEADRACE_METRICS_PORT: "0" };
    const worker = await shop.operator.start(["start", "--role", "saga", "--json"], { env });
    const { metrics } = worker.ready as { readonly metrics: string };
    await vi.waitFor(async () => {
      const scraped = await fetch(metrics);
      expect(await scraped.text()).toMatch(/temporal_worker_task_slots_available\{[^}]*namespace="shop-/);
    }, patient);
    const alive = linesOf<{ readonly addresses: Record<string, string> }>((await shop.operator.run(["ps", "--json"])).stdout);
    expect(alive.map(({ addresses }) => addresses["metrics"])).toContain(metrics);
    const port = new URL(metrics).port;
    const taken = await shop.operator.tryRun(["start", "--role", "saga", "--json"], {
      env: { ...env, HEADRACE_METRICS_PORT: port },
    });
    expect(taken).toMatchObject({ code: 1, stderr: expect.stringContaining(`metrics cannot be served on 127.0.0.1:${port}`) });
    await worker.stop();
  }, 90_000);

  it("finds server and namespace in the profile that it is told", async () => {
    const file = join(directory, "temporal.toml");
    const { TEMPORAL_ADDRESS } = shop.operator.env;
    await writeFile(file, `[profile.shop]\naddress = "${TEMPORAL_ADDRESS}"\nnamespace = "${shop.namespace}"\n`);
    const env = {
      TEMPORAL_ADDRESS: "",
      TEMPORAL_CONFIG_FILE: file,
      TEMPORAL_PROFILE: "shop",
      HEADRACE_WORKFLOW_BUNDLE: bundle(),
    };
    const elsewhere = join(directory, "elsewhere.toml");
    await writeFile(elsewhere, `[profile.shop]\naddress = "127.0.0.1:${await freePort()}"\n`);
    const away = shop.operator.tryRun(["start", "--role", "saga", "--json"], {
      env: { ...env, TEMPORAL_CONFIG_FILE: elsewhere },
    });
    const worker = await shop.operator.start(["start", "--role", "saga", "--json"], { env });
    const { workflowId } = await shop.press("tok_good");
    await vi.waitFor(async () => expect((await handleOf(workflowId).describe()).status.name).toBe("COMPLETED"), patient);
    await worker.stop();
    expect(await away).toMatchObject({ code: 1, stderr: expect.stringContaining("Temporal does not answer at 127.0.0.1:") });
  }, 90_000);

  it("of version A finishes the sagas that it began, while B is current and takes the new ones", async () => {
    const deployment = unique("shop-");
    const workers = await Promise.all(["A", "B"].map((build) => start("saga", "--build-id", build, "--deployment", deployment)));
    await setCurrent(deployment, "A");
    const old = await shop.press("tok_slow");
    await isPaying(old.workflowId);
    await setCurrent(deployment, "B");
    const young = await shop.press("tok_good");
    for (const { workflowId } of [old, young]) await handleOf(workflowId).result();

    expect(await buildsOf(old.workflowId)).toEqual(["A"]);
    expect(await buildsOf(young.workflowId)).toEqual(["B"]);
    await Promise.all(workers.map((worker) => worker.stop()));
  }, 120_000);
});

const setCurrent = (deploymentName: string, buildId: string) =>
  vi.waitFor(
    () =>
      shop.temporal.workflowService.setWorkerDeploymentCurrentVersion({
        namespace: shop.namespace,
        deploymentName,
        buildId,
        identity: "test",
      }),
    patient,
  );

/** The builds that ran tasks of a workflow. */
async function buildsOf(workflowId: string): Promise<readonly (string | null | undefined)[]> {
  const { events } = await handleOf(workflowId).fetchHistory();
  const completed = (events ?? []).flatMap(({ workflowTaskCompletedEventAttributes: one }) => (one ? [one] : []));
  return [...new Set(completed.map(({ deploymentVersion }) => deploymentVersion?.buildId))];
}
