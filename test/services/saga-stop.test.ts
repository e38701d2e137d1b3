import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { headrace, startHeadrace } from "../support/headrace.ts";
import { unique } from "../support/services.ts";
import { openShopNamespace, type ShopNamespace } from "../support/shop-namespace.ts";

// In the repository, so that its packages are found.
const parent = fileURLToPath(new URL("../../.headrace", import.meta.url));
const taskQueue = unique("stubborn-");
let shop: ShopNamespace;
let cwd: string;

const sources = {
  "pipelines/index.ts": `import { defineApp, defineSchedule, defineEvent, defineStream, pipeline, startWorkflow } from "headrace";
    import { z } from "zod";
    import { wait } from "../workflows/index.ts";
    const asked = defineEvent("wait.asked", z.object({ id: z.string() }), { key: ({ id }) => id });
    const waits = pipeline("waits").from(defineStream("waits", { events: [asked] }))
      .to(startWorkflow(wait, { taskQueue: "${taskQueue}", workflowId: (id) => id }), ({ data }) => data.id);
    export const app = defineApp({ pipelines: [waits] });`,
  "workflows/index.ts": `import { proxyActivities } from "@temporalio/workflow";
    const { dawdle } = proxyActivities<{ dawdle(): Promise<number> }>({ startToCloseTimeout: "20s", retry: { initialInterval: "1s" } });
    export const wait = (_: string) => dawdle();`,
  "activities/index.ts": `import { Context } from "@temporalio/activity";
    export const createActivities = () => ({
      async dawdle() {
        const { attempt } = Context.current().info;
        // It hears nothing, also not that it is cancelled.
        if (attempt === 1) await new Promise((resolve) => setTimeout(resolve, 600_000));
        return attempt;
      },
    });`,
};

beforeAll(async () => {
  shop = await openShopNamespace();
  await mkdir(parent, { recursive: true });
  cwd = await mkdtemp(join(parent, "stop-"));
  for (const [path, text] of Object.entries(sources)) {
    await mkdir(join(cwd, path, ".."), { recursive: true });
    await writeFile(join(cwd, path), text);
  }
  // Once, for both workers.
  await headrace(["--cwd", cwd, "bundle"]);
}, 60_000);
afterAll(async () => {
  await shop.close();
  await rm(cwd, { recursive: true, force: true });
});

it("a saga worker ends before an orchestrator would kill it, though an activity hears nothing; another does that again", async () => {
  const start = () =>
    startHeadrace(["--cwd", cwd, "start", "--role", "saga", "--json"], { env: { ...shop.operator.env, ...shop.env } });
  const first = await start();
  const handle = await shop.temporal.workflow.start("wait", { taskQueue, workflowId: unique("wait-"), args: ["once"] });
  await vi.waitFor(
    async () => expect((await handle.describe()).raw.pendingActivities).toMatchObject([{ attempt: 1, state: 2 }]),
    { timeout: 30_000, interval: 100 },
  );
  const begun = performance.now();
  await first.stop();
  // It has waited for the activity, and not for as long as that would have taken.
  expect(performance.now() - begun).toBeGreaterThan(15_000);
  expect(performance.now() - begun).toBeLessThan(120_000);
  expect(first.process.exitCode).toBe(1);
  expect(first.said()).toMatch(/activities went on for 25 s after the stop.*\n.*other workers do them again/);
  const second = await start();
  expect(await handle.result()).toBe(2);
  await second.stop();
  expect(second.process.exitCode).toBe(0);
}, 240_000);
