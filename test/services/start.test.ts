import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Headrace, headrace, startHeadrace, tryHeadrace } from "../support/headrace.ts";
import { makeProject, type Project } from "../support/project.ts";
import { redisClient } from "../support/redis.ts";
import { redisUrl } from "../support/services.ts";

/** Doubles what another program writes; nothing of it needs ClickHouse or Temporal. */
const pipelines = `
  import { defineApp, defineEvent, defineStream, pipeline } from "headrace";
  import { z } from "zod";

  const read = defineEvent("meter.read", z.object({ meter: z.string(), kwh: z.number() }), { key: ({ meter }) => meter });
  const doubled = defineEvent("meter.doubled", z.object({ meter: z.string(), kwh: z.number() }), { key: ({ meter }) => meter });
  const readings = defineStream("readings", { events: [read], adopt: "meters" });
  const doubles = defineStream("doubles", { events: [doubled], partitions: 1 });
  export const app = defineApp({
    pipelines: [
      pipeline("doubling")
        .from(readings)
        .emit(doubles, ({ data }) => doubled({ meter: data.meter, kwh: 2 * data.kwh })),
    ],
  });
`;

let project: Project;
let redis: Awaited<ReturnType<typeof redisClient>>;
let env: Record<string, string>;
const running: Headrace[] = [];
const start = async (args: readonly string[] = []) => {
  const started = await startHeadrace(["start", "--json", ...args], { env, cwd: project.path });
  running.push(started);
  return started;
};
const xadd = (kwh: number) =>
  redis.xAdd("meters", "*", { data: JSON.stringify({ type: "meter.read", data: { meter: "m1", kwh } }) });

beforeAll(async () => {
  project = await makeProject({ "pipelines/index.ts": pipelines });
  env = { REDIS_URL: await redisUrl(), CLICKHOUSE_URL: "http://127.0.0.1:1", TEMPORAL_ADDRESS: "127.0.0.1:1" };
  redis = await redisClient(env["REDIS_URL"] as string);
}, 60_000);

afterAll(async () => {
  await Promise.all(running.map((one) => one.stop()));
  redis.destroy();
  await project.remove();
}, 60_000);

describe("start, in a project that has pipelines alone", () => {
  it("runs them, and asks for no service that they do not use", async () => {
    await xadd(21);
    const worker = await start();
    expect(worker.ready).toMatchObject({ ready: true, roles: ["worker"] });
    await vi.waitFor(async () => expect(await redis.xLen("hr:{doubles:00}:s")).toBe(1), { timeout: 20_000, interval: 20 });
    await worker.stop();
    expect(worker.process.exitCode).toBe(0);
  }, 60_000);

  it("says what is missing for a role that was asked for by name", async () => {
    const ran = await tryHeadrace(["start", "--role", "participants"], { env, cwd: project.path });
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/^error: there is no activities\/index\.ts in .*\n {7}Export createParticipants/m);
  }, 60_000);
});

describe("start, with participants in the project", () => {
  it("runs them too", async () => {
    await project.write({
      "activities/index.ts": `
        import { defineParticipant } from "headrace/participant";
        export const createParticipants = () => [defineParticipant("grid", {})];`,
    });
    const both = await start();
    expect(both.ready).toMatchObject({ roles: ["worker", "participants"] });
    await both.stop();
  }, 60_000);
});

describe("an adopted key that is no stream", () => {
  it("keeps a worker from starting, with the key and the way out", async () => {
    await redis.rename("meters", "meters-aside");
    await redis.lPush("meters", "a job of another kind");
    for (const args of [["start"], ["audit"], ["lag"]]) {
      const { code, stderr } = await tryHeadrace(args, { env, cwd: project.path });
      expect({ args, code, stderr }).toEqual({
        args,
        code: 1,
        stderr: expect.stringMatching(
          /^error: the key 'meters' of the stream 'readings' is a list in Redis.*\n {7}.*'adopt'.*\n$/,
        ),
      });
    }
  }, 60_000);

  it("is named by a worker that runs, and read once a stream is there again", async () => {
    await redis.del("meters");
    const worker = await start(["--role", "worker"]);
    await xadd(1);
    await vi.waitFor(async () => expect(await redis.xLen("hr:{doubles:00}:s")).toBe(2), { timeout: 20_000, interval: 20 });
    await redis.rename("meters", "meters-again");
    await redis.lPush("meters", "a job of another kind");
    await vi.waitFor(() => expect(worker.said()).toContain("the key 'meters' of the stream 'readings' is a list in Redis"), {
      timeout: 20_000,
      interval: 20,
    });
    await redis.del("meters");
    await redis.rename("meters-again", "meters");
    await xadd(2);
    await vi.waitFor(async () => expect(await redis.xLen("hr:{doubles:00}:s")).toBe(3), { timeout: 20_000, interval: 20 });
    await worker.stop();
    const [line] = (await headrace(["audit", "--json"], { env, cwd: project.path })).stdout.split("\n");
    expect(JSON.parse(line as string)).toMatchObject({ balanced: true });
  }, 60_000);
});
