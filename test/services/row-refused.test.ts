import { createClient } from "@clickhouse/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Operator, openOperator } from "../support/operator.ts";
import { redisClient } from "../support/redis.ts";

const pipeline = "login-analytics";
const refusedIp = "198.51.100.66";
const time = new Date(Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000).toISOString();

/** 600 failures of 40 users; three of them come from an address that the table will not take. */
const events = Array.from({ length: 600 }, (_, n) => ({
  id: `0190a8c4-0000-7000-8000-${String(n).padStart(12, "0")}`,
  type: "login.failed",
  time,
  data: { userId: `user-${n % 40}`, ip: n % 250 === 7 ? refusedIp : `203.0.113.${n % 250}`, reason: "password" },
}));
const refused = events.filter(({ data }) => data.ip === refusedIp);
const plain = JSON.stringify({ id: "written by hand", type: "login.failed", time, data: { userId: "user-0", ip: refusedIp } });

let operator: Operator;

beforeAll(async () => {
  operator = await openOperator();
  await operator.run(["migrate", "--apply"]);
  const clickhouse = createClient({
    url: operator.env["CLICKHOUSE_URL"] as string,
    database: operator.env["CLICKHOUSE_DATABASE"] as string,
  });
  await clickhouse.command({ query: `ALTER TABLE login_events ADD CONSTRAINT known_places CHECK ip != '${refusedIp}'` });
  await clickhouse.close();
  const redis = await redisClient(operator.env["REDIS_URL"] as string);
  await redis.xAdd("app:logins", "*", { data: plain });
  redis.destroy();

  await operator.start(["start", "--role", "worker", "--pipelines", pipeline, "--json"]);
  await operator.run(["send", "logins"], { input: events.map((event) => JSON.stringify(event)).join("\n") });
  await operator.drained(pipeline);
}, 60_000);

afterAll(() => operator.stopAll());

describe("rows that ClickHouse refuses", () => {
  it("become dead letters with the event as it was sent, and its siblings are rows", async () => {
    expect(refused).toHaveLength(3);
    const [rows] = await operator.sql(
      `SELECT toUInt32(count()) AS rows, toUInt32(countIf(ip = '${refusedIp}')) AS refused FROM login_events FINAL`,
    );
    expect(rows).toEqual({ rows: events.length - refused.length, refused: 0 });
    const [view] = await operator.sql("SELECT toUInt32(sum(failed)) AS failed FROM logins_by_user_day");
    expect(view).toEqual({ failed: events.length - refused.length });

    const letters = await operator.deadLetters();
    expect(letters).toHaveLength(4);
    for (const letter of letters) {
      expect(letter).toMatchObject({ pipeline, stage: "sink:to", reason: "row-refused", type: "login.failed" });
      expect(letter.error).toMatch(/^clickhouse .*VIOLATED_CONSTRAINT: constraint known_places$/);
    }
    const framed = letters.filter(({ partition }) => partition.startsWith("logins/"));
    expect(framed.map(({ original }) => JSON.parse(original ?? "null")).sort((a, b) => (a.id < b.id ? -1 : 1))).toEqual(refused);
    expect(framed.map(({ event }) => event).sort()).toEqual(refused.map(({ id }) => id));
  });

  it("keep their own bytes where another program wrote the entry", async () => {
    const [letter] = (await operator.deadLetters()).filter(({ partition }) => partition === "app-logins");
    expect(letter).toMatchObject({ original: null, fields: [{ name: "data", text: plain }] });
  });

  it("are counted once, and the audit balances", async () => {
    expect(await operator.audit(pipeline)).toEqual({
      pipeline,
      read: events.length + 1,
      delivered: events.length - refused.length,
      emitted: 0,
      dropped: {},
      deadLettered: { "row-refused": refused.length + 1 },
      duplicate: 0,
      late: 0,
      inFlight: 0,
      lost: 0,
      vanished: 0,
      balanced: true,
    });
  });
});
