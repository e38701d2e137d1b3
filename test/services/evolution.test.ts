import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tryHeadrace } from "../support/headrace.ts";
import { linesOf, type Operator, openOperator } from "../support/operator.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
let operator: Operator;
let folder: string;

/** An application of one pipeline that counts the visits of each key, as a user has it in a project of their own. */
const source = ({
  event = "z.object({ key: z.string() })",
  options = "",
  name = "visits",
  fold = "",
  retired = "[]",
  circle = false,
}) => `
import { c, clickhouse, defineApp, defineEvent, defineStream, defineTable, pipeline } from "headrace";
import { z } from "zod";
const visited = defineEvent("page.visited", ${event}, { key: (data) => data.key, ${options} });
const visits = defineStream("visits", { events: [visited], partitions: 2 });
const table = defineTable("visits", {
  columns: { event_id: c.uuid(), key: c.string(), n: c.uint32(), weight: c.uint32().default(0), at: c.dateTime64(3) },
  orderBy: ["key", "event_id"],
});
const counting = pipeline("counting", { retired: ${retired} }).from(visits).fold("${name}", {
  key: ({ data }) => data.key,
  state: z.object({ n: z.int() }),
  initial: { n: 0 },
  decide: ({ n }, event) => [{ event, n: n + 1 }],
  evolve: (_, { n }) => ({ n }),
  ${fold}
});
const app = defineApp({
  pipelines: [
    ${circle ? 'pipeline("again").from(visits).emit(visits, ({ data }) => visited(data)),' : ""}
    counting.to(clickhouse(table), ({ event, n }) => ({ event_id: event.id, key: event.data.key, n, weight: event.data.weight, at: event.time })),
  ],
});
export { app };
`;

async function write(version: string, options: Parameters<typeof source>[0]): Promise<string> {
  const at = join(folder, version);
  await mkdir(join(at, "pipelines"), { recursive: true });
  await writeFile(join(at, "package.json"), '{"type":"module"}');
  await writeFile(join(at, "pipelines/index.ts"), source(options));
  return at;
}

beforeAll(async () => {
  operator = await openOperator();
  folder = await mkdtemp(join(tmpdir(), "headrace-evolution-"));
  await mkdir(join(folder, "node_modules"));
  await symlink(root, join(folder, "node_modules/headrace"));
  await symlink(join(root, "node_modules/zod"), join(folder, "node_modules/zod"));
}, 120_000);
afterAll(async () => {
  await operator.stopAll();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

const on = (at: string, ...args: readonly string[]) => ["--cwd", at, ...args];
const send = (at: string, ...lines: readonly object[]) =>
  operator.run(on(at, "send", "visits"), {
    input: lines.map((data) => JSON.stringify({ type: "page.visited", time: "2026-11-01T10:00:00Z", data })).join("\n"),
  });
const counts = () =>
  operator.sql<{ key: string; n: number }>(
    "SELECT key, max(n) AS n, max(weight) AS weight FROM visits FINAL GROUP BY key ORDER BY key",
  );
const findings = async (at: string) => {
  const { code, stdout } = await operator.tryRun(on(at, "check", "--json"));
  const [{ ok, findings = [] }] = linesOf<{ ok: boolean; findings?: readonly Record<string, string>[] }>(stdout) as [never];
  expect(code).toBe(ok ? 0 : 1);
  return findings as readonly Record<string, string>[];
};

async function runUntil(at: string, expected: readonly object[]): Promise<void> {
  const worker = await operator.start(on(at, "start", "--role", "worker", "--json"));
  try {
    await expect.poll(counts, { timeout: 30_000 }).toEqual(expected);
  } finally {
    await worker.stop();
  }
}

describe("an application that is deployed in another version", () => {
  it("goes on from what is there, or refuses to begin and says what, where and the way out", async () => {
    const first = await write("first", {});
    await operator.run(on(first, "migrate", "--apply"));
    await send(first, { key: "a" }, { key: "a" }, { key: "b" });
    await runUntil(first, [
      { key: "a", n: 2, weight: 0 },
      { key: "b", n: 1, weight: 0 },
    ]);
    expect(await findings(first)).toEqual([]);
    await send(first, { key: "a" });

    const renamed = await write("renamed", { name: "views" });
    expect(await findings(renamed)).toEqual([
      {
        code: "stage-gone",
        where: "pipeline 'counting', stage 'visits'",
        message: expect.stringContaining("new here: 'views'"),
        hint: expect.stringContaining('retired: ["visits"]'),
      },
    ]);
    const refused = await operator.tryRun(on(renamed, "start", "--role", "worker", "--json"));
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toMatch(/pipeline 'counting', stage 'visits': it keeps states .*\n.*retired/);
    // Nothing was read: the event that was sent last is still there for the version that knows its states.
    await runUntil(first, [
      { key: "a", n: 3, weight: 0 },
      { key: "b", n: 1, weight: 0 },
    ]);

    const narrower = await write("narrower", { event: "z.object({ key: z.string().max(1), weight: z.int() })" });
    expect(await findings(narrower)).toMatchObject([
      {
        code: "schema-incompatible",
        where: "stream 'visits', event 'page.visited'",
        message: "events that are there do not fit its schema: data.weight: not there → required; data.key: maxLength none → 1",
        hint: expect.stringContaining("upcast: { 1: (data) => … }"),
      },
    ]);
    expect((await operator.tryRun(on(narrower, "start", "--role", "worker", "--json"))).stderr).toContain(
      "data.weight: not there",
    );

    // Events of the first version wait in the stream while the second one is deployed, whose states also look different.
    await send(first, { key: "b" }, { key: "c" });
    const second = await write("second", {
      event: "z.object({ key: z.string(), weight: z.int() })",
      options: "version: 2, upcast: { 1: (data) => ({ ...data, weight: 7 }) }",
      fold: "state: z.object({ n: z.int(), since: z.string() }), initial: { n: 0, since: '' }, evolve: (_, { n }) => ({ n, since: 'now' }), version: 2, migrate: ({ n }) => ({ n, since: 'before' }),",
    });
    expect(await findings(second)).toEqual([]);
    await runUntil(second, [
      { key: "a", n: 3, weight: 0 },
      { key: "b", n: 2, weight: 7 },
      { key: "c", n: 1, weight: 7 },
    ]);
    expect(await findings(first)).toMatchObject([{ code: "schema-incompatible" }, { code: "state-version" }]);

    const retiring = await write("retiring", {
      event: "z.object({ key: z.string(), weight: z.int() })",
      options: "version: 2, upcast: { 1: (data) => ({ ...data, weight: 7 }) }",
      name: "views",
      retired: '["visits"]',
    });
    await send(retiring, { key: "d", weight: 1 });
    await runUntil(retiring, [
      { key: "a", n: 3, weight: 0 },
      { key: "b", n: 2, weight: 7 },
      { key: "c", n: 1, weight: 7 },
      { key: "d", n: 1, weight: 1 },
    ]);
  }, 180_000);

  it("is looked over without a Redis too, which is said in one line, and circles are found there", async () => {
    const circle = await write("circle", { circle: true });
    const env = { REDIS_URL: "redis://127.0.0.1:1" };
    const ran = await tryHeadrace(on(circle, "check", "--json"), { env });
    expect(ran.code).toBe(1);
    expect(JSON.parse(ran.stdout).findings).toMatchObject([
      {
        code: "cycle",
        message: expect.stringContaining("visits ─again─▶ visits"),
        hint: expect.stringContaining("a stream that none of them reads"),
      },
    ]);
    expect(ran.stderr).toMatch(/^Not compared with what is deployed: .*\n$/);
  });
});
