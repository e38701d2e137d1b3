import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Headrace } from "../support/headrace.ts";
import { type Operator, openOperator } from "../support/operator.ts";
import { poisonFrames } from "../support/poison.ts";
import { redisClient } from "../support/redis.ts";

const pipeline = "login-analytics";
const good = 1_000;
const poison = Object.values(poisonFrames)
  .filter(({ d = "" }) => d.length < 512 * 1024)
  .slice(0, 14);

let operator: Operator;
let redis: Awaited<ReturnType<typeof redisClient>>;
let worker: Headrace;

const logs = ["hr:{logins:00}:s", "hr:{logins:05}:s", "app:logins"];

beforeAll(async () => {
  operator = await openOperator();
  redis = await redisClient(operator.env["REDIS_URL"] as string);
  await operator.run(["migrate", "--apply"]);
  const lines = Array.from({ length: good }, (_, n) =>
    JSON.stringify({ id: `login ${n}`, type: "login.failed", data: { userId: `user-${n}`, ip: "203.0.113.7" } }),
  );
  await operator.run(["send", "logins"], { input: lines.slice(0, good / 2).join("\n") });
  for (const [n, fields] of poison.entries()) {
    await redis.sendCommand(["XADD", logs[n % logs.length] as string, "*", ...Object.entries(fields).flat()]);
  }
  await operator.run(["send", "logins"], { input: lines.slice(good / 2).join("\n") });
  worker = await operator.start(["start", "--role", "worker", "--pipelines", pipeline, "--json"]);
  await operator.drained(pipeline);
}, 120_000);

afterAll(async () => {
  redis?.destroy();
  await operator?.stopAll();
});

describe("14 poison frames of different kinds among 1,000 good events", () => {
  it("are 14 dead letters, 1,000 rows and one worker that goes on", async () => {
    expect(poison).toHaveLength(14);
    expect(
      await operator.sql("SELECT toUInt32(count()) AS rows, toUInt32(uniqExact(user_id)) AS users FROM login_events FINAL"),
    ).toEqual([{ rows: good, users: good }]);
    expect(await operator.audit(pipeline)).toMatchObject({
      read: good + 14,
      delivered: good,
      deadLettered: { undecodable: 14 },
      inFlight: 0,
      balanced: true,
    });
    expect(worker.process.exitCode).toBeNull();
    const epochs = (await operator.lag(pipeline)).map(({ epoch }) => epoch);
    expect(new Set(epochs)).toEqual(new Set([1]));
  });

  it("are kept with their bytes, and read again they are 14 dead letters again", async () => {
    const bytes = async () =>
      (await operator.deadLetters())
        .map(({ stage, original, fields }) => [stage, original, fields.find(({ name }) => name === "h")?.text])
        .sort();
    const before = await bytes();
    expect(before).toEqual(poison.map((fields) => ["decode", null, String(fields["h"])]).sort());
    await operator.run(["dlq", "replay", "--reason", "undecodable", "--apply"]);
    await operator.drained(pipeline);
    expect(await bytes()).toEqual(before);
    expect(worker.process.exitCode).toBeNull();
  }, 90_000);
});
