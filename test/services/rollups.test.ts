import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { silentLogger } from "../../src/core/log.ts";
import type { DirtyMarks } from "../../src/rollup/port.ts";
import { openRedisMarks } from "../../src/rollup/redis/marks.ts";
import { FaultProxy } from "../chaos/proxy.ts";
import { atPort, fetchAs } from "../support/addresses.ts";
import { linesOf, type Operator, openOperator } from "../support/operator.ts";
import { snapshotOf } from "../support/redis-snapshot.ts";

const pipeline = "login-analytics";
const rollup = "login_methods_by_hour";
const worker = ["start", "--role", "worker", "--lease", "1s", "--pipelines", pipeline, "--json"];
const hourMs = 3_600_000;
/** An hour of yesterday, so that none of it is in the future. */
const noon = Math.floor(Date.now() / hourMs) * hourMs - 30 * hourMs;

let operator: Operator;
let marks: DirtyMarks;
let redis: FaultProxy;
let clickhouse: FaultProxy;
let throughProxies: Readonly<Record<string, string>>;

beforeAll(async () => {
  operator = await openOperator();
  const { REDIS_URL = "", CLICKHOUSE_URL = "" } = operator.env;
  marks = await openRedisMarks({ url: REDIS_URL, logger: silentLogger });
  redis = await FaultProxy.listen(Number(new URL(REDIS_URL).port));
  clickhouse = await FaultProxy.listen(Number(new URL(CLICKHOUSE_URL).port));
  throughProxies = { REDIS_URL: atPort(REDIS_URL, redis.port), CLICKHOUSE_URL: atPort(CLICKHOUSE_URL, clickhouse.port) };
  await operator.run(["migrate", "--apply"]);
}, 120_000);

afterAll(async () => {
  await operator.stopAll();
  await Promise.all([marks.close(), redis.close(), clickhouse.close()]);
}, 60_000);

/** Logins and failures of several methods over ten hours. */
const eventsOf = (count: number, name: string, from = noon) =>
  Array.from({ length: count }, (_, n) => ({
    id: `${name}-${n}`,
    type: n % 4 === 0 ? "login.failed" : "login.succeeded",
    time: new Date(from + (n % 10) * hourMs + n).toISOString(),
    data: {
      userId: `user-${n % 97}`,
      ip: "203.0.113.7",
      method: ["password", "sso", "key"][n % 3],
      ...(n % 4 > 0 && { sessionId: `${name}-${n}` }),
    },
  }));
const send = (events: readonly object[]) =>
  operator.run(["send", "logins", "--json"], { input: events.map((event) => JSON.stringify(event)).join("\n") });

const dirty = async () => (await marks.dirty(rollup)).length;
const clean = () => vi.waitFor(async () => expect(await dirty()).toBe(0), { timeout: 30_000, interval: 50 });

const shown = () => operator.sql(`SELECT hour, method, logins, failed, users FROM ${rollup} ORDER BY ALL`);
/** The same by plain SQL over rows that are there once. */
const truth = () =>
  operator.sql(`SELECT toStartOfHour(at) AS hour, method, countIf(outcome = 'success') AS logins, countIf(outcome = 'failure') AS failed,
    uniqExactIf(user_id, outcome = 'success') AS users
    FROM login_events FINAL WHERE outcome IN ('success', 'failure') GROUP BY hour, method ORDER BY ALL`);
const attempts = async () => {
  const [row] = await operator.sql<{ n: string }>(`SELECT sum(logins + failed) AS n FROM ${rollup}`);
  return Number(row?.n);
};
const isExact = async (events: number) => {
  expect(await shown()).toEqual(await truth());
  expect(await attempts()).toBe(events);
};

/** Resolves once the worker has begun to send what `isIt` picks, which never arrives: by then `act` is done. */
const when = (proxy: FaultProxy, isIt: (text: string) => boolean, act: () => unknown): Promise<void> =>
  new Promise((resolve, reject) => {
    let isOver = false;
    const untap = proxy.tap(async (piece, _, direction) => {
      if (isOver || direction !== "upstream" || !isIt(piece.toString("latin1"))) return;
      isOver = true;
      untap();
      await Promise.resolve(act()).then(() => resolve(), reject);
      return "drop";
    });
  });
const isMark = (text: string) => text.includes(`hr:{rollup:${rollup}}:dirty`) && text.includes("generation");
const isClean = (text: string) => text.includes(`hr:{rollup:${rollup}}:dirty`) && text.includes("EVALSHA") && !isMark(text);
const isRecount = (text: string) => /^POST [\s\S]*INSERT INTO .{0,3}login_methods_by_hour_rows/.test(text);

describe("a rollup of a running application", () => {
  it("counts every event once, whether it came twice, late, or is read again", async () => {
    const one = await operator.start(worker);
    const events = eventsOf(3_000, "first");
    await send([...events, ...events.slice(0, 500)]);
    await send([...events.slice(1_000), ...eventsOf(200, "late", noon - 50 * hourMs)]);
    await operator.drained(pipeline);
    await clean();
    await isExact(3_200);
    await operator.run(["replay", "--pipeline", pipeline, "--from", "0", "--apply"]);
    await operator.drained(pipeline);
    await clean();
    await isExact(3_200);
    await one.stop();
  }, 120_000);

  it("is told by lag behind the pipelines, counted by hand, and clean then", async () => {
    await marks.mark(rollup, [noon, noon + hourMs]);
    const lag = async () => linesOf<Record<string, unknown>>((await operator.run(["lag", "--json"])).stdout).slice(-2);
    expect(await lag()).toEqual([
      { rollup, table: "login_events", dirty: 2, oldestMs: expect.any(Number) },
      { rollup: "cart_activity_by_hour", table: "cart_events", dirty: 0, oldestMs: 0 },
    ]);
    const table = (await operator.run(["lag"])).stdout;
    expect(table).toMatch(/\n\nrollup +table +dirty +oldestMs\n/);
    expect(linesOf((await operator.run(["rollup", "--json"])).stdout)).toEqual([
      { rollup, table: "login_events", buckets: 2 },
      { rollup: "cart_activity_by_hour", table: "cart_events", buckets: 0 },
    ]);
    expect((await lag())[0]).toEqual({ rollup, table: "login_events", dirty: 0, oldestMs: 0 });
    await isExact(3_200);
  }, 60_000);

  it("is rebuilt by hand after somebody emptied it, or dropped rows of its source", async () => {
    const run = async (sql: string) => {
      const { CLICKHOUSE_URL = "", CLICKHOUSE_DATABASE: database = "" } = operator.env;
      const answer = await fetchAs(`${CLICKHOUSE_URL}/?database=${database}`, { method: "POST", body: sql });
      expect(answer.ok, await answer.text()).toBe(true);
    };
    await run(`TRUNCATE TABLE ${rollup}_rows`);
    expect(await shown()).toEqual([]);
    const rebuild = async () => linesOf((await operator.run(["rollup", rollup, "--rebuild", "--json"])).stdout);
    expect(await rebuild()).toEqual([{ rollup, table: "login_events", buckets: 20 }]);
    await isExact(3_200);
    const day = new Date(noon - 50 * hourMs).toISOString().slice(0, 10);
    await run(
      `ALTER TABLE login_events DELETE WHERE at < toDateTime64('${day}', 3, 'UTC') + INTERVAL 2 DAY SETTINGS mutations_sync = 2`,
    );
    await rebuild();
    await isExact(3_000);
  }, 60_000);

  it("is not there by another name", async () => {
    const ran = await operator.tryRun(["rollup", "logins"]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(/there is no rollup 'logins'\n.*There are login_methods_by_hour, cart_activity_by_hour\./);
  });
});

describe("a worker that is killed", () => {
  it("between the rows and their marks leaves nothing uncounted: what was not acked is written and marked again", async () => {
    const killed = await operator.start(worker, { env: throughProxies });
    const dead = when(redis, isMark, () => killed.kill());
    await send(eventsOf(1_000, "unmarked"));
    await dead;
    const rows = () =>
      operator.sql<{ n: string }>("SELECT count() AS n FROM login_events FINAL WHERE session_id LIKE 'unmarked-%'");
    expect(Number((await rows())[0]?.n)).toBeGreaterThan(0);
    const next = await operator.start(worker);
    await operator.drained(pipeline);
    await clean();
    await isExact(4_000);
    await next.stop();
  }, 120_000);

  it("between a count and the removal of its marks has it counted again", async () => {
    const killed = await operator.start(worker, { env: throughProxies });
    const dead = when(redis, isClean, () => killed.kill());
    await send(eventsOf(1_000, "uncleaned"));
    await dead;
    expect(await dirty()).toBeGreaterThan(0);
    const next = await operator.start(worker);
    await operator.drained(pipeline);
    await clean();
    await isExact(5_000);
    await next.stop();
  }, 120_000);
});

describe("a Redis that goes back", () => {
  it("with a mark before anybody has looked at it has the bucket counted all the same", async () => {
    const putBack = await snapshotOf(operator.env["REDIS_URL"] as string, `hr:{rollup:${rollup}}:`);
    const one = await operator.start(worker, { env: throughProxies });
    const gone = lookAfterMark(putBack);
    await send(eventsOf(1_000, "gone"));
    await gone;
    await operator.drained(pipeline);
    await vi.waitFor(() => isExact(6_000), { timeout: 30_000, interval: 200 });
    expect(one.said()).toContain("buckets that were written to lately are counted again");
    await one.stop();
  }, 120_000);

  /** Resolves once something was marked, and the worker's next look at the marks was kept back until `act` was done. */
  function lookAfterMark(act: () => Promise<void>): Promise<void> {
    let isMarked = false;
    return new Promise((resolve, reject) => {
      const untap = redis.tap(async (piece, _, direction) => {
        if (direction !== "upstream") return;
        const text = piece.toString("latin1");
        if (isMarked && text.includes("HGETALL")) {
          untap();
          await act().then(resolve, reject);
        } else isMarked ||= isMark(text);
      });
    });
  }
});

describe("a ClickHouse that goes away", () => {
  it("while a bucket is counted is waited for, and said; what was sent meanwhile is counted when it is back", async () => {
    const one = await operator.start(worker, { env: throughProxies });
    const away = when(clickhouse, isRecount, () => clickhouse.cutOff());
    await send(eventsOf(1_000, "before"));
    await away;
    await send(eventsOf(1_000, "meanwhile"));
    await vi.waitFor(() => expect(one.said()).toContain("a rollup cannot be refreshed now, trying again"), 30_000);
    expect(await dirty()).toBeGreaterThan(0);
    clickhouse.heal();
    await operator.drained(pipeline);
    await clean();
    await isExact(8_000);
    await vi.waitFor(() => expect(one.said()).toContain("the rollup is refreshed again"), 30_000);
    await one.stop();
  }, 120_000);
});
