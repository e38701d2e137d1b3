import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, Connection } from "@temporalio/client";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { fetchAs } from "../support/addresses.ts";
import { linesOf, type Operator, openOperator } from "../support/operator.ts";
import { temporalAddress, unique } from "../support/services.ts";

let operator: Operator;
let connection: Connection;
let root: string;
let env: Readonly<Record<string, string>>;
const day = "2026-06-01";
const namespace = unique("archive-");
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "headrace-archive-"));
  operator = await openOperator();
  connection = await Connection.connect({ address: temporalAddress() });
  // The saga workers of other files listen on the same task queues, and work on other databases.
  await connection.workflowService.registerNamespace({
    namespace,
    workflowExecutionRetentionPeriod: { seconds: 86_400 as never },
  });
  env = { HEADRACE_ARCHIVE: root, TEMPORAL_NAMESPACE: namespace };
  await vi.waitFor(() => connection.operatorService.listSearchAttributes({ namespace }), { timeout: 30_000, interval: 200 });
  await operator.run(["migrate", "--apply"], { env });
  await fill(2_000, 0);
  await operator.start(["start", "--role", "saga", "--json"], { env });
}, 180_000);
afterAll(async () => {
  await operator.stopAll();
  await connection.close();
  await rm(root, { recursive: true, force: true });
}, 60_000);

const fill = async (rows: number, from: number) => {
  const { CLICKHOUSE_URL: url = "", CLICKHOUSE_DATABASE: database = "" } = operator.env;
  const body = `INSERT INTO login_events (event_id, user_id, outcome, at, ip, source)
    SELECT generateUUIDv4(number), toString(number % 99), 'success', toDateTime64('${day} 00:00:00', 3, 'UTC') + number, '::1', 'test'
    FROM numbers(${from}, ${rows})`;
  const answer = await fetchAs(`${url}/?database=${database}`, { method: "POST", body });
  expect(answer.status, await answer.text()).toBe(200);
};
const ls = async () => linesOf<Record<string, unknown>>((await operator.run(["archive", "ls", "--json"], { env })).stdout);
const run = async (...more: readonly string[]) =>
  linesOf<Record<string, unknown>>((await operator.run(["archive", ...more, "--json"], { env })).stdout);
const count = async () =>
  (await operator.sql<{ n: number }>("SELECT count() AS n FROM login_events FINAL")).map(({ n }) => Number(n));

describe("headrace archive", () => {
  it("lists days, archives one, and restores it", async () => {
    const hot = { table: "login_events", day, generation: 1, rows: 2_000, hash: "", state: "hot" };
    const [stored] = await ls();
    expect(stored).toEqual({ ...hot, bytes: expect.any(Number), rawBytes: expect.any(Number) });
    expect(Number(stored?.["bytes"])).toBeGreaterThan(0);
    expect(Number(stored?.["bytes"])).toBeLessThan(Number(stored?.["rawBytes"]));
    const [archived] = await run("run", "login_events", day);
    expect(archived).toMatchObject({ table: "login_events", day, outcome: "archived", generation: 1, rows: 2_000 });
    expect(await count()).toEqual([0]);
    const line = { table: "login_events", day, generation: 1, rows: 2_000, hash: archived?.["hash"] };
    const sizes = { bytes: archived?.["bytes"], rawBytes: archived?.["rawBytes"] };
    expect(await ls()).toEqual([{ ...line, ...sizes, state: "archived" }]);
    expect(await run("run", "login_events", day)).toEqual([
      { table: "login_events", day, outcome: "already archived", generation: 1 },
    ]);
    expect((await operator.run(["archive", "ls"], { env })).stderr).toMatch(/1 in the archive .*, \d+\.\d times as small/);
    expect(await run("restore", "login_events", day)).toEqual([{ ...line, ...sizes, state: "restored" }]);
    expect(await run("restore", "login_events", day)).toHaveLength(1);
    expect(await count()).toEqual([2_000]);
    expect(await ls()).toEqual([{ ...line, ...sizes, state: "restored" }]);
    expect(await readdir(join(root, "login_events", day, "1"))).toContain("manifest.json");
  }, 120_000);

  it.each([
    ["an unknown table", ["run", "nothing", day], "there is no archive of a table 'nothing'"],
    ["a table that is not archived", ["restore", "login_bursts", day], "there is no archive of a table 'login_bursts'"],
    ["what is no day", ["run", "login_events", "2026-02-30"], "'2026-02-30' is not a day"],
    ["what no Date of ClickHouse holds", ["run", "login_events", "1969-12-31"], "is before 1970"],
    ["today", ["run", "login_events", new Date().toISOString().slice(0, 10)], "is not over"],
    ["the future", ["restore", "login_events", "2126-01-01"], "is not over"],
    ["a day that the archive lacks", ["restore", "login_events", "2026-01-05"], "nothing in the archive"],
  ])("refuses %s", async (_, args, sentence) => {
    const { code, stderr } = await operator.tryRun(["archive", ...args], { env });
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(sentence) });
  });
});

it("the nightly schedules are made by 'migrate --apply', say how to go on after a failure, and clean-logs tells what it did", async () => {
  const { schedule, workflow } = new Client({ connection, namespace });
  const { spec, policies, state, action } = await schedule.getHandle("archive-login_events").describe();
  expect(spec.calendars).toMatchObject([{ hour: [{ start: 2 }], minute: [{ start: 15 }] }]);
  expect(policies).toMatchObject({ overlap: "BUFFER_ALL", catchupWindow: 7 * 86_400_000, pauseOnFailure: true });
  expect(state.note).toContain("backfill");
  expect(action).toMatchObject({
    workflowType: "archiveNightly",
    taskQueue: "archive",
    args: [{ table: "login_events", keepDays: 30 }],
  });
  const cleaned = await workflow.execute("cleanLogs", { taskQueue: "archive", workflowId: `clean-${Date.now()}`, args: [] });
  expect(cleaned).toEqual({ deadLetters: { looked: 0, removed: 0 }, archives: { looked: 1, removed: 0 } });
}, 60_000);
