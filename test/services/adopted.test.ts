import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type DeadLetterLine, type Operator, openOperator } from "../support/operator.ts";
import { redisClient } from "../support/redis.ts";

const pipeline = "login-analytics";
const log = "app:logins";
const good = 990;
const started = Date.now();

const failure = (data: object) => JSON.stringify({ type: "login.failed", data });
/** Ten entries that are no events, each in its own way, by the reason that must be told. */
const broken: ReadonlyMap<string, { readonly stage: string; readonly field: string; readonly bytes: Buffer }> = new Map(
  [
    ["not-json", "decode", "data", "{'type': login.failed}"],
    ["empty", "decode", "data", ""],
    ["no-type", "decode", "data", JSON.stringify({ data: { userId: "ada", ip: "203.0.113.7" } })],
    ["unknown-type", "admit", "data", JSON.stringify({ type: "login.teleported", data: { userId: "ada" } })],
    ["schema", "admit", "data", failure({ userId: 7 })],
    [
      "time-out-of-range",
      "admit",
      "data",
      JSON.stringify({ type: "login.failed", time: "1970-01-01T00:00:00Z", data: { userId: "ada", ip: "203.0.113.7" } }),
    ],
    ["too-large", "decode", "data", failure({ userId: "ada", ip: "203.0.113.7", reason: "x".repeat(2 * 1024 * 1024) })],
    ["not-utf8", "decode", "data", Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x00, 0x80, 0xc3, 0x28, 0x0a, 0x0d])],
    ["no-data-field", "decode", "payload", failure({ userId: "ada", ip: "203.0.113.7" })],
    ["too-deep", "decode", "data", "[".repeat(20_000) + "]".repeat(20_000)],
  ].map(([reason, stage, field, bytes]) => [
    String(reason),
    { stage: String(stage), field: String(field), bytes: Buffer.from(bytes as string) },
  ]),
);

let operator: Operator;
let redis: Awaited<ReturnType<typeof redisClient>>;
/** The entries of the broken ones, by reason. */
const entries = new Map<string, string>();

beforeAll(async () => {
  operator = await openOperator();
  redis = await redisClient(operator.env["REDIS_URL"] as string);
  await operator.run(["migrate", "--apply"]);
  const reasons = [...broken.keys()];
  for (let n = 0; n < good; n++) {
    await redis.sendCommand(["XADD", log, "*", ...goodFields(n)]);
    if (n % 99 !== 50) continue;
    const reason = reasons.shift() as string;
    const { field, bytes } = broken.get(reason) as { field: string; bytes: Buffer };
    entries.set(reason, String(await redis.sendCommand(["XADD", log, "*", "trace", "kept too", field, bytes])));
  }
  await operator.start(["start", "--role", "worker", "--pipelines", pipeline, "--json"]);
  await operator.drained(pipeline);
}, 60_000);

afterAll(async () => {
  redis.destroy();
  await operator.stopAll();
});

describe("a stream that another program writes", () => {
  it("becomes one row for each of its 990 events: whole events with and without ids, and CloudEvents attributes", async () => {
    expect(entries.size).toBe(10);
    const rows = await operator.sql(
      "SELECT substring(user_id, 1, 4) AS kind, toUInt32(count()) AS rows, toUInt32(uniqExact(event_id)) AS ids, any(source) AS source FROM login_events FINAL GROUP BY kind ORDER BY kind",
    );
    expect(rows).toEqual([
      { kind: "bare", rows: 330, ids: 330, source: "app-logins" },
      { kind: "clou", rows: 330, ids: 330, source: "/phone" },
      { kind: "whol", rows: 330, ids: 330, source: "app-logins" },
    ]);
    const [one] = await operator.sql(
      "SELECT outcome, toString(at) AS at, ip, session_id FROM login_events FINAL WHERE user_id = 'cloud-4'",
    );
    expect(one).toEqual({
      outcome: "success",
      at: timeOf(4).toISOString().replace("T", " ").slice(0, 23),
      ip: "203.0.113.4",
      session_id: "session-4",
    });
  });

  it("has one dead letter for each broken entry, with its reason and its bytes as they were", async () => {
    const letters = await operator.deadLetters();
    expect(letters.map(({ reason }) => reason).sort()).toEqual([...broken.keys()].sort());
    for (const letter of letters) {
      const { stage, field, bytes } = broken.get(letter.reason) as { stage: string; field: string; bytes: Buffer };
      expect(letter, letter.reason).toMatchObject({
        pipeline,
        stage,
        partition: "app-logins",
        position: `${entries.get(letter.reason)}/0`,
        original: null,
      });
      expect(letter.error, letter.reason).not.toBe("");
      expect(letter.fields.map(({ name }) => name)).toEqual(["trace", field]);
      expect(bytesOf(letter, field).equals(bytes), `${letter.reason}: the bytes that dlq show prints`).toBe(true);
    }
  });

  it("keeps those bytes in Redis too, for whoever reads the dead letters by hand", async () => {
    const kept = (await redis
      .withTypeMapping({ 36: Buffer })
      .sendCommand(["XRANGE", `hr:{${log}}:dlq`, "-", "+"])) as unknown as [Buffer, Buffer[]][];
    expect(kept).toHaveLength(10);
    for (const [, fields] of kept) {
      const fieldOf = (name: string) => fields[fields.findIndex((field, at) => at % 2 === 0 && String(field) === name) + 1];
      const { field, bytes } = broken.get(String(fieldOf("reason"))) as { field: string; bytes: Buffer };
      expect(fieldOf(`f:${field}`)?.equals(bytes), String(fieldOf("reason"))).toBe(true);
    }
  });

  it("shows one dead letter by its id, and counts all of them by reason", async () => {
    const [first] = await operator.deadLetters();
    const { stdout } = await operator.run(["dlq", "show", String(first?.id), "--json"]);
    expect(JSON.parse(stdout)).toEqual(first);

    const stats = (await operator.run(["dlq", "stats", "--json"])).stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const expected = [...broken].map(([reason, { stage }]) => ({
      pipeline,
      stage,
      reason,
      count: 1,
      first: expect.any(String),
      last: expect.any(String),
    }));
    expect(stats.sort(byReason)).toEqual(expected.sort(byReason));
    expect(stats.every(({ first, last }) => first === last && !Number.isNaN(Date.parse(first)))).toBe(true);

    const some = await operator.run(["dlq", "ls", "--reason", "schema", "--json"]);
    expect(JSON.parse(some.stdout)).toMatchObject({
      reason: "schema",
      type: "login.failed",
      position: `${entries.get("schema")}/0`,
    });
  });

  it("leaves nothing pending and balances", async () => {
    expect(await redis.xPending(log, pipeline)).toMatchObject({ pending: 0 });
    expect(await operator.audit(pipeline)).toEqual({
      pipeline,
      read: 1_000,
      delivered: good,
      emitted: 0,
      dropped: {},
      deadLettered: Object.fromEntries([...broken.keys()].sort().map((reason) => [reason, 1])),
      duplicate: 0,
      late: 0,
      inFlight: 0,
      lost: 0,
      vanished: 0,
      balanced: true,
    });
  });

  it("goes on behind what is settled when its group is destroyed, and reads nothing twice", async () => {
    const before = await fingerprint();
    await redis.xGroupDestroy(log, pipeline);
    await redis.xAdd(log, "*", Object.fromEntries([goodFields(0).slice(0, 2) as [string, string]]));
    await vi.waitFor(async () => expect((await operator.audit(pipeline)).read).toBe(1_001), { timeout: 30_000, interval: 100 });
    await operator.drained(pipeline);

    expect(await fingerprint()).toEqual(before);
    // The name of the event was there before.
    const audit = { read: 1_001, delivered: good, duplicate: 1, inFlight: 0, balanced: true };
    expect(await operator.audit(pipeline)).toMatchObject(audit);
    expect(await operator.deadLetters()).toHaveLength(10);
  });
});

function goodFields(n: number): readonly string[] {
  const time = timeOf(n).toISOString();
  const ip = `203.0.113.${n % 250}`;
  switch (n % 3) {
    case 0:
      return ["data", JSON.stringify({ id: `login ${n}`, type: "login.failed", time, data: { userId: `whole-${n}`, ip } })];
    case 1:
      return [
        "specversion",
        "1.0",
        "id",
        `login ${n}`,
        "type",
        "login.succeeded",
        "time",
        time,
        "source",
        "/phone",
        "data",
        JSON.stringify({ userId: `cloud-${n}`, sessionId: `session-${n}`, ip }),
      ];
    default:
      // Neither an id nor a time: both come from the entry.
      return ["data", JSON.stringify({ type: "login.ended", data: { userId: `bare-${n}`, sessionId: `session-${n}` } })];
  }
}

function timeOf(n: number): Date {
  return new Date(Math.floor(started / 1_000) * 1_000 - 86_400_000 + n * 1_234);
}

function bytesOf({ fields }: DeadLetterLine, name: string): Buffer {
  const field = fields.find((one) => one.name === name);
  return field?.text === undefined ? Buffer.from(field?.base64 ?? "", "base64") : Buffer.from(field.text);
}

/** A hash over the rows and over what the views say of them. */
async function fingerprint(): Promise<unknown> {
  const tables = ["login_events FINAL", "login_sessions", "logins_by_hour", "logins_by_user_day"];
  return Promise.all(
    tables.map((table) =>
      operator.sql(
        `SELECT toString(groupBitXor(cityHash64(toString(tuple(*))))) AS hash, toUInt32(count()) AS rows FROM ${table}`,
      ),
    ),
  );
}

const byReason = (a: { readonly reason: string }, b: { readonly reason: string }) => (a.reason < b.reason ? -1 : 1);
