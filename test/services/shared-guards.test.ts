import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { createClickHouse } from "../../src/sinks/clickhouse/client.ts";
import { deployProject } from "../support/deployed-project.ts";
import { type Headrace, headrace, startHeadrace } from "../support/headrace.ts";
import type { Project } from "../support/project.ts";

/** A source and a stage whose limits all workers share. */
const application = `
  import { c, clickhouse, defineApp, defineEvent, defineStream, defineTable, pipeline } from "headrace";
  import { z } from "zod";

  const hit = defineEvent("site.hit", z.object({ n: z.int() }), { key: ({ n }) => String(n) });
  const hits = defineStream("hits", { events: [hit], partitions: 4 });
  const rows = defineTable("hits", { columns: { event_id: c.uuid(), n: c.int32() }, orderBy: ["event_id"] });
  export const app = defineApp({
    pipelines: [
      pipeline("slow")
        .from(hits, { rateLimit: { perSecond: 400, burst: 50, shared: true } })
        .map("ask", async (event) => event, { rateLimit: { perSecond: 200, burst: 20, shared: "api" }, concurrency: 4 })
        .to(clickhouse(rows, { profile: "low-latency", rateLimit: { perSecond: 20, shared: true } }), ({ id, data }) => ({
          event_id: id,
          n: data.n,
        })),
    ],
  });
`;

let project: Project;
let env: Record<string, string>;
const workers: Headrace[] = [];

beforeAll(async () => {
  ({ project, env } = await deployProject(application));
}, 120_000);

afterAll(async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  await project.remove();
}, 60_000);

describe("limits that workers share", () => {
  it("hold for two workers together, and lose nothing", async () => {
    const count = 800;
    const lines = Array.from({ length: count }, (_, n) => JSON.stringify({ type: "site.hit", data: { n } }));
    await headrace(["send", "hits"], { env, cwd: project.path, input: `${lines.join("\n")}\n` });
    const begun = performance.now();
    const start = () => startHeadrace(["start", "--role", "worker", "--json"], { env, cwd: project.path });
    workers.push(...(await Promise.all([start(), start()])));

    const client = createClickHouse({ url: env["CLICKHOUSE_URL"] as string, database: env["CLICKHOUSE_DATABASE"] as string });
    const tooMany: number[] = [];
    const look = async () => {
      const rows = Number((await client.query<{ n: string }>("SELECT count() AS n FROM hits FINAL"))[0]?.n);
      // What is there by now was let through since the workers began. A slow machine can only make it fewer.
      if (rows > 20 + (200 * (performance.now() - begun)) / 1_000) tooMany.push(rows);
      expect(rows).toBe(count);
    };
    try {
      await vi.waitFor(look, { timeout: 90_000, interval: 50 });
    } finally {
      await client.close();
    }
    expect(tooMany).toEqual([]);
    const audit = JSON.parse((await headrace(["audit", "--json"], { env, cwd: project.path })).stdout);
    expect(audit).toMatchObject({ pipeline: "slow", read: count, delivered: count, balanced: true });
  }, 120_000);
});
