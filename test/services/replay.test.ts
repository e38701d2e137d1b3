import { once } from "node:events";
import { createInterface } from "node:readline";
import { createClient } from "@clickhouse/client";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Headrace, startHeadraceRaw } from "../support/headrace.ts";
import { linesOf, type Operator, openOperator } from "../support/operator.ts";
import { redisClient } from "../support/redis.ts";
import { refuseAll } from "../support/refusal.ts";

const pipeline = "login-analytics";
const worker = ["start", "--role", "worker", "--pipelines", pipeline, "--json"];
const refusedIp = "198.51.100.66";
const time = new Date(Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000).toISOString();
const idOf = (n: number) => `0190a8c4-0000-7000-8000-${String(n).padStart(12, "0")}`;

/** 900 failures; 30 of them come from an address that the table will not take, until its operator thinks better of it. */
const events = Array.from({ length: 900 }, (_, n) => ({
  id: idOf(n),
  type: "login.failed",
  time,
  data: { userId: `user-${n % 40}`, ip: n % 30 === 7 ? refusedIp : `203.0.113.${n % 250}`, reason: "password" },
}));
const refused = events.filter(({ data }) => data.ip === refusedIp);
/** Neither an id nor a time: both come from the entry. */
const bare = JSON.stringify({ type: "login.failed", data: { userId: "bare", ip: refusedIp } });
const brokenEntries = ["not json", '{"type":"login.failed"', '{"type":"login.slept","data":{}}'];

let operator: Operator;
let redis: Awaited<ReturnType<typeof redisClient>>;
let clickhouse: ReturnType<typeof createClient>;
let running: Headrace;
let bareEntry: string;

beforeAll(async () => {
  operator = await openOperator();
  await operator.run(["migrate", "--apply"]);
  clickhouse = createClient({
    url: operator.env["CLICKHOUSE_URL"] as string,
    database: operator.env["CLICKHOUSE_DATABASE"] as string,
  });
  await clickhouse.command({ query: `ALTER TABLE login_events ADD CONSTRAINT known_places CHECK ip != '${refusedIp}'` });
  redis = await redisClient(operator.env["REDIS_URL"] as string);
  bareEntry = await redis.xAdd("app:logins", "*", { trace: "kept", data: bare });
  for (const data of brokenEntries) await redis.xAdd("app:logins", "*", { data });

  running = await operator.start(worker);
  await operator.run(["send", "logins"], { input: events.map((event) => JSON.stringify(event)).join("\n") });
  await operator.drained(pipeline);
}, 120_000);

afterAll(async () => {
  await operator.stopAll();
  await clickhouse.close();
  redis.destroy();
}, 60_000);

interface Line {
  readonly action?: string;
  readonly applied?: boolean;
  readonly [name: string]: unknown;
}

async function act(...args: readonly string[]) {
  const { code, stdout, stderr } = await operator.tryRun([...args, "--json"]);
  const lines = linesOf<Line>(stdout);
  return { code, stderr, lines: lines.slice(0, -1), summary: lines.at(-1) };
}

const stats = async () =>
  linesOf<{ reason: string; count: number }>((await operator.run(["dlq", "stats", "--json"])).stdout)
    .map(({ reason, count }) => `${reason} ${count}`)
    .sort();

/** A hash over the rows and over what the views say of them. */
const fingerprint = () =>
  Promise.all(
    ["login_events FINAL", "login_sessions", "logins_by_hour", "logins_by_user_day"].map((table) =>
      operator.sql(
        `SELECT toString(groupBitXor(cityHash64(toString(tuple(*))))) AS hash, toUInt32(count()) AS rows FROM ${table}`,
      ),
    ),
  );

describe("dead letters", () => {
  it("are there to begin with, and a dry run says which would be replayed and changes nothing", async () => {
    expect(await stats()).toEqual(["not-json 2", `row-refused ${refused.length + 1}`, "unknown-type 1"]);
    const { code, lines, summary } = await act("dlq", "replay", "--reason", "row-refused");
    expect({ code, summary }).toEqual({
      code: 0,
      summary: { matched: refused.length + 1, replayed: refused.length + 1, gone: 0, skipped: 0, applied: false },
    });
    expect(new Set(lines.map(({ action }) => action))).toEqual(new Set(["would-replay"]));
    expect(lines.map(({ event }) => event)).toEqual(expect.arrayContaining(refused.map(({ id }) => id)));
    expect(await stats()).toHaveLength(3);
  });

  it("come back when they are replayed and nothing was mended, under the same ids", async () => {
    const before = await operator.deadLetters();
    const { code, summary } = await act("dlq", "replay", "--reason", "row-refused", "--apply");
    expect({ code, summary }).toEqual({
      code: 0,
      summary: { matched: refused.length + 1, replayed: refused.length + 1, gone: 0, skipped: 0, waiting: 0, applied: true },
    });
    const after = await operator.deadLetters();
    expect(after.map(({ event }) => event).sort()).toEqual(before.map(({ event }) => event).sort());
    expect(after.map(({ id }) => id).sort()).not.toEqual(before.map(({ id }) => id).sort());
    const [again] = after.filter(({ partition, reason }) => partition === "app-logins" && reason === "row-refused");
    expect(again).toMatchObject({
      position: `${bareEntry}/0`,
      fields: [
        { name: "trace", text: "kept" },
        { name: "data", text: bare },
      ],
    });
    expect(await operator.audit(pipeline)).toMatchObject({ inFlight: 0, balanced: true });
  }, 120_000);

  it("are rows once the table takes them, with the id and time of the entry where the event has none", async () => {
    const [letter] = (await operator.deadLetters()).filter(
      ({ partition, reason }) => partition === "app-logins" && reason === "row-refused",
    );
    await clickhouse.command({ query: "ALTER TABLE login_events DROP CONSTRAINT known_places" });

    const one = await act("dlq", "replay", String(letter?.event), "--apply");
    expect(one).toMatchObject({ code: 0, summary: { matched: 1, replayed: 1, waiting: 0 } });
    const rows = await operator.sql(
      "SELECT toString(event_id) AS id, toString(toUnixTimestamp64Milli(at)) AS at FROM login_events FINAL WHERE user_id = 'bare'",
    );
    expect(rows).toEqual([{ id: letter?.event, at: bareEntry.split("-")[0] }]);

    const rest = await act("dlq", "replay", "--stage", "sink:to", "--since", "1h", "--apply");
    expect(rest).toMatchObject({ code: 0, summary: { matched: refused.length, replayed: refused.length, waiting: 0 } });
    const [count] = await operator.sql("SELECT toUInt32(count()) AS rows FROM login_events FINAL");
    expect(count).toEqual({ rows: events.length + 1 });
    expect(await stats()).toEqual(["not-json 2", "unknown-type 1"]);
    const [view] = await operator.sql("SELECT toUInt32(sum(failed)) AS failed FROM logins_by_user_day");
    expect(view).toEqual({ failed: events.length + 1 });
    expect(await operator.audit(pipeline)).toMatchObject({ inFlight: 0, balanced: true });
  }, 120_000);

  it("wait in the replay log while no worker runs, and are said to", async () => {
    await running.stop();
    const before = await operator.audit(pipeline);
    const { code, summary } = await act("dlq", "replay", "--reason", "not-json", "--apply");
    expect({ code, summary }).toMatchObject({ code: 0, summary: { replayed: 2, waiting: 2 } });
    expect(await stats()).toEqual(["unknown-type 1"]);
    running = await operator.start(worker);
    await operator.drained(pipeline);
    expect(await stats()).toEqual(["not-json 2", "unknown-type 1"]);
    const after = await operator.audit(pipeline);
    expect(after).toMatchObject({ read: before.read + 2, inFlight: 0, balanced: true });
  }, 120_000);

  it("are discarded by filter or id, and all of them only when that is said", async () => {
    await refuseAll(operator, [
      ["all at once", ["dlq", "discard", "--apply"], { code: 2, says: /would discard every dead letter/, wayOut: /--all/ }],
    ]);
    expect(await act("dlq", "discard", "--reason", "not-json")).toMatchObject({
      code: 0,
      lines: [{ action: "would-discard" }, { action: "would-discard" }],
      summary: { matched: 2, discarded: 2, applied: false },
    });
    const people = await operator.run(["dlq", "discard", "--all"]);
    expect(people.stdout).toMatch(/^would-discard app-logins:\d+-\d+ admit unknown-type login\.slept$/m);
    expect(people.stdout).toMatch(/^3 dead letters would be discarded\. Nothing was changed: add --apply\.$/m);
    expect(await stats()).toHaveLength(2);

    const [first] = await operator.deadLetters();
    const named = `app-logins:${first?.id}`;
    expect(await act("dlq", "discard", named, "--apply")).toMatchObject({ code: 0, summary: { discarded: 1, applied: true } });
    expect(await operator.tryRun(["dlq", "discard", named, "--apply"])).toMatchObject({ code: 2 });
    expect(await act("dlq", "discard", "--all", "--apply")).toMatchObject({ code: 0, summary: { discarded: 2 } });
    expect(await operator.deadLetters()).toEqual([]);
    expect(await stats()).toEqual([]);
    expect(await operator.audit(pipeline)).toMatchObject({ inFlight: 0, balanced: true });
    expect(await redis.hGetAll("hr:{app:logins}:ledger:login-analytics")).toMatchObject({ replayed: "4", discarded: "3" });
  }, 120_000);
});

describe("a stream that is read again", () => {
  it("is measured in a dry run, by partition, and from one partition alone where the position says so", async () => {
    const { code, lines, summary } = await act("replay", "--pipeline", pipeline, "--from", "0");
    expect(code).toBe(0);
    expect(lines).toHaveLength(9);
    expect(lines.find(({ partition }) => partition === "app-logins")).toEqual({
      action: "would-reread",
      pipeline,
      partition: "app-logins",
      from: "0-0",
      until: expect.stringMatching(/^\d+-\d+$/),
      entries: 4,
      events: 4,
    });
    expect(summary).toEqual({
      partitions: 9,
      entries: expect.any(Number),
      events: events.length + 4,
      waiting: 0,
      applied: false,
    });
    expect(await act("replay", "--pipeline", pipeline, "--from", `app-logins:${bareEntry}`)).toMatchObject({
      lines: [{ partition: "app-logins", events: 4 }],
      summary: { partitions: 1 },
    });
    const later = new Date(Date.now() + 1_000).toISOString();
    expect(await act("replay", "--pipeline", pipeline, "--from", later)).toMatchObject({ code: 0, summary: { events: 0 } });
  }, 120_000);

  it("changes no row and no view, however often it is read; the books balance", async () => {
    const before = await fingerprint();
    const books = await operator.audit(pipeline);
    for (const times of [1, 2]) {
      const { code, summary } = await act("replay", "--pipeline", pipeline, "--from", time, "--apply");
      expect({ code, summary }).toMatchObject({ code: 0, summary: { events: events.length + 4, waiting: 0, applied: true } });
      expect(await fingerprint()).toEqual(before);
      expect(await operator.audit(pipeline)).toMatchObject({
        read: books.read + times * (events.length + 4),
        delivered: books.delivered + times * (events.length + 1),
        inFlight: 0,
        balanced: true,
      });
    }
    // The broken entries are set aside again, each time.
    expect(await stats()).toEqual(["not-json 4", "unknown-type 2"]);
    const letters = await operator.deadLetters();
    expect(new Set(letters.map(({ event }) => event)).size).toBe(3);
  }, 120_000);

  it("leaves dead letters that an interrupted replay has not come to where they are", async () => {
    const before = await operator.deadLetters();
    const child = startHeadraceRaw(["dlq", "replay", "--rate", "1", "--apply", "--json"], { env: operator.env });
    const exit = once(child, "exit");
    const lines: Line[] = [];
    const reader = createInterface({ input: child.stdout }).on("line", (line) => lines.push(JSON.parse(line)));
    await once(reader, "line");
    child.kill("SIGINT");
    expect(await exit).toEqual([130, null]);
    const { matched, replayed } = lines.at(-1) as { matched: number; replayed: number } & Line;
    expect(replayed).toBeGreaterThan(0);
    expect(matched).toBeLessThan(before.length);
    await operator.drained(pipeline);
    // What was replayed is as broken as before, and is told again.
    const after = await operator.deadLetters();
    expect(after.map(({ event }) => event).sort()).toEqual(before.map(({ event }) => event).sort());
    expect(after.filter(({ id }) => before.some((one) => one.id === id))).toHaveLength(before.length - replayed);
    expect(await operator.audit(pipeline)).toMatchObject({ inFlight: 0, balanced: true });
  }, 120_000);

  it("stops with a sentence when the replay log is full and nobody reads it; what was copied is read later", async () => {
    await running.stop();
    const pages = Array.from({ length: 6_000 }, (_, n) =>
      JSON.stringify({ ...events[0], id: `more ${n}`, data: { userId: `more-${n}`, ip: "203.0.113.1" } }),
    );
    running = await operator.start(worker);
    await Promise.all(pages.map((data) => redis.xAdd("app:logins", "*", { data })));
    await operator.drained(pipeline);
    await running.stop();
    const before = await fingerprint();
    const { code, stderr, summary } = await act(
      ...["replay", "--pipeline", pipeline, "--from", "app-logins:0", "--rate", "100000", "--give-up-after", "1s", "--apply"],
    );
    expect({ code, summary }).toMatchObject({ code: 1, summary: { entries: 5_000, applied: true } });
    expect(stderr).toMatch(
      /5000 entries wait in the replay log of 'login-analytics' beside app-logins, and nobody has taken one for 1 s/,
    );
    expect(stderr).toMatch(/Nothing is lost/);
    running = await operator.start(worker);
    await operator.drained(pipeline);
    expect(await fingerprint()).toEqual(before);
    expect(await operator.audit(pipeline)).toMatchObject({ inFlight: 0, balanced: true });
    await vi.waitFor(async () => expect(await redis.xLen("hr:{app:logins}:replay:login-analytics")).toBe(0));
  }, 120_000);

  it("is refused to a pipeline that keeps state, unless that is wanted", async () => {
    await refuseAll(operator, [
      [
        "carts keep state",
        ["replay", "--pipeline", "carts", "--from", "0"],
        { code: 1, says: /'carts' keeps state, which would take the same events a second time/, wayOut: /--state-again/ },
      ],
    ]);
    expect(await act("replay", "--pipeline", "carts", "--from", "0", "--state-again")).toMatchObject({
      code: 0,
      summary: { events: 0 },
    });
  });
});
