import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Answer } from "../../src/collector/answer.ts";
import { eventId } from "../../src/core/hash.ts";
import { createClickHouse } from "../../src/sinks/clickhouse/client.ts";
import { deployProject } from "../support/deployed-project.ts";
import { type Headrace, headrace, startHeadrace, tryHeadrace } from "../support/headrace.ts";
import { startOwnRedis } from "../support/own-redis.ts";
import type { Project } from "../support/project.ts";

const application = `
  import { c, clickhouse, defineApp, defineEvent, defineStream, defineTable, pipeline, toStream } from "headrace";
  import { z } from "zod";

  const hit = defineEvent("site.hit", z.object({ n: z.int() }), { key: ({ n }) => String(n % 7) });
  const hits = defineStream("door-hits", { events: [hit], partitions: 4, door: { maxEvents: 500 } });
  const echoes = defineStream("door-echoes", { events: [hit], partitions: 1 });
  const secrets = defineStream("door-secrets", { events: [hit], partitions: 1, door: "closed" });
  const rows = defineTable("hits", { columns: { event_id: c.uuid(), n: c.int32() }, orderBy: ["event_id"] });
  export const app = defineApp({
    pipelines: [
      pipeline("count").from(hits).to(clickhouse(rows), ({ id, data }) => ({ event_id: id, n: data.n })),
      pipeline("echo").from(hits).map("again", ({ data }) => hit(data)).to(toStream(echoes)),
      pipeline("read").from(echoes).map("again", ({ data }) => hit(data)).to(toStream(secrets)),
    ],
  });
`;

let project: Project;
let env: Record<string, string>;
const running: Headrace[] = [];
const start = async (...args: readonly string[]) => {
  const started = await startHeadrace(["start", ...args, "--json"], { env, cwd: project.path });
  running.push(started);
  return started;
};
const post = async (url: string, events: readonly object[]): Promise<Answer> => {
  const response = await fetch(`${url}/v1/streams/door-hits/events`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
    body: events.map((event) => JSON.stringify(event)).join("\n"),
  });
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return (await response.json()) as Answer;
};
const hit = (n: number) => ({ id: `hit-${n}`, type: "site.hit", data: { n } });

beforeAll(async () => {
  ({ project, env } = await deployProject(application));
}, 120_000);

afterAll(async () => {
  await Promise.all(running.map((one) => one.stop()));
  await project.remove();
}, 60_000);

describe("the role collector", () => {
  it("takes events for the streams that have a door, and tells where it is called", async () => {
    const collector = await start("--role", "collector", "--port", "0");
    const url = String(collector.ready["collector"]);
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(await post(url, [hit(0), { type: "nothing" }])).toMatchObject({ stored: 1, refused: 1, durability: "memory" });
    const missing = await fetch(`${url}/v1/streams/nothing/events`, { method: "POST" });
    // What a pipeline writes, and what is closed, takes nothing.
    expect(await missing.json()).toMatchObject({ status: 404, detail: expect.stringMatching(/there are door-hits$/) });
    const { stdout } = await headrace(["ps", "--json"], { env, cwd: project.path });
    const listed = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(listed).toContainEqual(expect.objectContaining({ roles: ["collector"], addresses: { collector: url }, door: "open" }));
    expect((await headrace(["check"], { env, cwd: project.path })).stdout).toContain("door    door-hits (up to 500 events");
    await collector.stop();
    expect(collector.process.exitCode).toBe(0);
  });

  it("refuses to listen beyond this machine, where nobody's right to send is looked at", async () => {
    const ran = await tryHeadrace(["start", "--role", "collector", "--port", "0"], {
      env: { ...env, HOST: "0.0.0.0" },
      cwd: project.path,
    });
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain("the collector would take events from everyone who reaches 0.0.0.0");
  });

  it("and its like lose nothing, and store nothing twice, where one of them is killed under a client that follows the answers", async () => {
    const [first, second, worker] = await Promise.all([
      start("--role", "collector", "--port", "0"),
      start("--role", "collector", "--port", "0"),
      start("--role", "worker"),
    ]);
    const urls = [first, second].map(({ ready }) => String(ready["collector"]));
    const count = 6_000;
    let left = Array.from({ length: count }, (_, n) => hit(n + 1));
    let refused = 0;
    let failed = 0;
    let turn = 0;
    for (let batch = 0; left.length > 0; batch++) {
      const events = left.slice(0, 200);
      if (batch === 10) void first.kill();
      try {
        const answer = await post(urls[turn] as string, events);
        refused += answer.refused;
        const again = new Set(answer.results.filter(({ result }) => result === "retry").map(({ i }) => i));
        left = [...events.filter((_, i) => again.has(i)), ...left.slice(200)];
      } catch {
        failed++;
      }
      turn = (turn + 1) % urls.length;
    }
    expect(failed).toBeGreaterThan(0);
    expect(refused).toBe(0);
    const client = createClickHouse({ url: env["CLICKHOUSE_URL"] as string, database: env["CLICKHOUSE_DATABASE"] as string });
    try {
      await vi.waitFor(
        async () => {
          const [row] = await client.query<{ rows: number; different: number; sum: number }>(
            "SELECT count() AS rows, uniqExact(n) AS different, sum(n) AS sum FROM hits FINAL WHERE n > 0",
          );
          expect(row).toEqual({ rows: count, different: count, sum: (count * (count + 1)) / 2 });
        },
        { timeout: 40_000, interval: 200 },
      );
    } finally {
      await client.close();
    }
    const audit = JSON.parse(
      (await headrace(["audit", "--json"], { env, cwd: project.path })).stdout.trim().split("\n")[0] as string,
    );
    expect(audit).toMatchObject({ pipeline: "count", balanced: true });
    await second.stop();
    expect(second.process.exitCode).toBe(0);
    await worker.stop();
    expect(worker.process.exitCode).toBe(0);
  });

  it("slows down, then says retry, then 503, while Redis stands still or is away, and loses nothing that it called stored", async () => {
    const redis = await startOwnRedis({ appendfsync: "always" });
    const own = { ...env, REDIS_URL: redis.url };
    try {
      const collector = await startHeadrace(["start", "--role", "collector", "--port", "0", "--json"], {
        env: own,
        cwd: project.path,
      });
      running.push(collector);
      const url = String(collector.ready["collector"]);
      const seen = { stored: new Set<string>(), refused: 0, retry: 0, shut: 0 };
      let over = false;
      let n = 0;
      const sendOn = async () => {
        while (!over) {
          const events = Array.from({ length: 5 }, () => hit(n++));
          const answer = await post(url, events).catch((error: Error) => {
            if (!error.message.startsWith("503")) throw error;
            seen.shut++;
            return undefined;
          });
          for (const one of answer?.results ?? []) {
            if (one.result === "stored") seen.stored.add(one.id);
            else if (one.result === "retry") seen.retry++;
            else seen.refused++;
          }
          await sleep(5);
        }
      };
      const clients = Array.from({ length: 8 }, sendOn);
      const until = (holds: () => unknown, timeout: number) =>
        vi.waitFor(() => expect(holds()).toBe(true), { timeout, interval: 20 });
      await until(() => seen.stored.size > 50, 10_000);

      redis.freeze();
      await until(() => seen.retry > 0 && seen.shut > 0, 20_000);
      redis.thaw();
      const before = seen.stored.size;
      await until(() => seen.stored.size > before + 50, 20_000);

      await redis.kill();
      const [retried, shut] = [seen.retry, seen.shut];
      await until(() => seen.retry > retried && seen.shut > shut, 20_000);
      await redis.restart();
      const after = seen.stored.size;
      await until(() => seen.stored.size > after + 50, 30_000);
      over = true;
      await Promise.all(clients);
      await collector.stop();
      expect(seen.refused).toBe(0);

      const worker = await startHeadrace(["start", "--role", "worker", "--json"], { env: own, cwd: project.path });
      running.push(worker);
      const client = createClickHouse({ url: env["CLICKHOUSE_URL"] as string, database: env["CLICKHOUSE_DATABASE"] as string });
      try {
        const wanted = [...seen.stored].map((id) => eventId(id));
        await vi.waitFor(
          async () => {
            const rows = await client.query<{ event_id: string; times: number }>(
              "SELECT toString(event_id) AS event_id, count() AS times FROM hits FINAL GROUP BY event_id",
            );
            const found = new Map(rows.map(({ event_id: id, times }) => [id, times]));
            expect(wanted.filter((id) => found.get(id) !== 1)).toEqual([]);
          },
          { timeout: 40_000, interval: 300 },
        );
      } finally {
        await client.close();
      }
      await worker.stop();
    } finally {
      await redis.close();
    }
  }, 180_000);
});
