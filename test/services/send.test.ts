import { once } from "node:events";
import { mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { logins } from "../../pipelines/streams.ts";
import { partitionsOf } from "../../src/bus/partition.ts";
import { decodeAll } from "../support/decode-all.ts";
import { startHeadraceRaw } from "../support/headrace.ts";
import { type Operator, openOperator } from "../support/operator.ts";
import { startOwnRedis } from "../support/own-redis.ts";
import { redisClient } from "../support/redis.ts";

const pipeline = "login-analytics";
const hour = 3_600_000;
const now = Math.floor(Date.now() / 1_000) * 1_000;

let operator: Operator;
let folder: string;

beforeAll(async () => {
  operator = await openOperator();
  folder = await mkdtemp(join(tmpdir(), "headrace-send-"));
  await operator.run(["migrate", "--apply"]);
  await operator.start(["start", "--role", "worker", "--pipelines", pipeline, "--json"]);
}, 120_000);

afterAll(async () => {
  await operator.stopAll();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

describe("a file of JSON lines", () => {
  const failed = (event: object) =>
    JSON.stringify({ type: "login.failed", data: { userId: "ada", ip: "203.0.113.7" }, ...event });
  const given = "0190a8c4-6d2e-7c3a-9f00-000000000001";
  const time = new Date(now - 2 * hour).toISOString();
  /** Each line, and what must be said of it where it is bad. */
  const lines: readonly (readonly [line: string, complaint?: RegExp])[] = [
    [failed({ id: given, time })],
    ["login failed for ada", /^not JSON: /],
    [""],
    ["[1, 2]", /^not a JSON object$/],
    [JSON.stringify({ data: { userId: "ada", ip: "203.0.113.7" } }), /^the event has no type$/],
    [failed({ type: "login.teleported" }), /^stream 'logins' carries no 'login\.teleported'$/],
    [failed({ data: { userId: "ada" } }), /^'login\.failed' does not fit its schema: ip: /],
    [failed({ time: "yesterday" }), /^the event's time is refused: it is not an RFC 3339 time: "yesterday"$/],
    [
      failed({ time: "2026-02-30T00:00:00+0000" }),
      /^the event's time is refused: .*; write its offset with a colon, such as \+01:00$/,
    ],
    [failed({ id: 7 }), /^the event's id is not a string of 1 to 128 characters$/],
    [failed({ id: "x".repeat(129) }), /^the event's id is not a string of 1 to 128 characters$/],
    [JSON.stringify({ type: "login.failed" }), /^the event has no object 'data'$/],
    [
      failed({ data: { userId: "ada", ip: "203.0.113.7", note: "x".repeat(256 * 1024) } }),
      /^the event measures \d+ bytes; 262144 are the limit$/,
    ],
    [`{"escape": "\u001b[2J`, /^not JSON: \P{Cc}*$/u],
    [failed({ id: "a name of our own", time, data: { userId: "grace", ip: "203.0.113.8" } })],
    // Source and id together name an event; a null is no attribute.
    [failed({ id: "1", source: "/web", time, data: { userId: "web", ip: "203.0.113.8" } })],
    [failed({ id: "1", source: "/vpn", time, data: { userId: "web", ip: "203.0.113.8" } })],
    [
      failed({
        id: null,
        source: null,
        time: null,
        version: null,
        traceparent: null,
        data: { userId: "null", ip: "203.0.113.9" },
      }),
    ],
    // Twice the same words without an id: two events. Twice the same id: one.
    [failed({ time })],
    [failed({ time })],
    [failed({ id: given.toUpperCase(), time })],
    [failed({ data: { userId: "timeless", ip: "203.0.113.9" } })],
    [`\uFEFF${failed({ data: { userId: "marked", ip: "203.0.113.9" } })}\r`],
  ];
  const bad = lines.flatMap(([, complaint], index) => (complaint ? [{ number: index + 1, complaint }] : []));
  const good = 9;
  let file: string;

  it("is sent but for its bad lines, which are told with their numbers and reasons, and exit code 1", async () => {
    file = join(folder, "events.ndjson");
    await writeFile(file, `${lines.map(([line]) => line).join("\n")}\n`);
    // An event without a time happened when its file was last written.
    await utimes(file, new Date(), new Date(now - 5 * hour));

    const { code, stdout, stderr } = await operator.tryRun(["send", "logins", "--file", file, "--json"]);
    expect(code).toBe(1);
    expect(stdout).toBe(`${JSON.stringify({ sent: good, duplicates: 1, invalid: bad.length })}\n`);
    const said = stderr.split("\n").filter((line) => line.startsWith("line "));
    expect(said).toHaveLength(bad.length);
    bad.forEach(({ number, complaint }, index) => {
      const [, told, reason] = /^line (\d+): (.*)$/.exec(said[index] ?? "") ?? [];
      expect(Number(told)).toBe(number);
      expect(reason).toMatch(complaint);
    });

    await operator.drained(pipeline);
    expect(await rows()).toEqual([
      { user_id: "ada", rows: 3, ids: 3, at: stamp(now - 2 * hour) },
      { user_id: "grace", rows: 1, ids: 1, at: stamp(now - 2 * hour) },
      { user_id: "marked", rows: 1, ids: 1, at: stamp(now - 5 * hour) },
      { user_id: "null", rows: 1, ids: 1, at: stamp(now - 5 * hour) },
      { user_id: "timeless", rows: 1, ids: 1, at: stamp(now - 5 * hour) },
      { user_id: "web", rows: 2, ids: 2, at: stamp(now - 2 * hour) },
    ]);
    expect(await operator.sql(`SELECT user_id FROM login_events FINAL WHERE event_id = '${given}'`)).toEqual([
      { user_id: "ada" },
    ]);
    expect(await operator.deadLetters()).toEqual([]);
  });

  it("changes no table when it is sent again", async () => {
    const before = await operator.sql("SELECT * FROM login_events FINAL ORDER BY event_id");
    expect((await operator.tryRun(["send", "logins", "--file", file])).stdout).toBe(
      `sent ${good}, duplicates 1, invalid ${bad.length}\n`,
    );
    await operator.drained(pipeline);
    expect(await operator.sql("SELECT * FROM login_events FINAL ORDER BY event_id")).toEqual(before);
    expect(await operator.audit(pipeline)).toMatchObject({ read: 2 * good, delivered: 2 * good, inFlight: 0, balanced: true });
  });

  it("may come from standard input, named - or not at all, and may be empty", async () => {
    const line = failed({ id: "from a pipe", time });
    const sentOne = { stdout: `${JSON.stringify({ sent: 1, duplicates: 0, invalid: 0 })}\n` };
    expect(await operator.run(["send", "logins", "--file", "-", "--json"], { input: `${line}\n` })).toMatchObject(sentOne);
    // Without the last line's end, too.
    expect(await operator.run(["send", "logins", "--json"], { input: line })).toMatchObject(sentOne);
    expect(await operator.run(["send", "logins", "--json"])).toMatchObject({
      stdout: `${JSON.stringify({ sent: 0, duplicates: 0, invalid: 0 })}\n`,
    });
  });
});

// Side by side, each to a Redis of its own: they wait most of the time.
describe.concurrent("sending", () => {
  it("keeps to its rate, and what was read is sent when it is interrupted", async () => {
    const redis = await startOwnRedis();
    try {
      const rate = 200;
      const began = performance.now();
      const child = startHeadraceRaw(["send", "logins", "--rate", String(rate), "--json"], {
        env: { ...operator.env, REDIS_URL: redis.url },
      });
      const exit = once(child, "exit");
      child.stdin.on("error", () => {}); // it stops before it has read all of it
      child.stdin.end(numbered(100_000).join("\n"));
      await vi.waitFor(async () => expect((await stored(redis.url)).length).toBeGreaterThan(100), {
        timeout: 30_000,
        interval: 50,
      });
      child.kill("SIGINT");
      const stdout = await text(child.stdout);
      expect(await exit).toEqual([130, null]);

      const { sent } = JSON.parse(stdout) as { sent: number };
      const ids = await stored(redis.url);
      expect(ids).toHaveLength(sent);
      expect(new Set(ids).size).toBe(sent);
      expect(sent).toBeLessThanOrEqual(1 + (rate * (performance.now() - began)) / 1_000);
    } finally {
      await redis.close();
    }
  });

  it("ends when it is interrupted while it waits for a line that does not come", async () => {
    const redis = await startOwnRedis();
    try {
      const child = startHeadraceRaw(["send", "logins", "--json"], { env: { ...operator.env, REDIS_URL: redis.url } });
      const exit = once(child, "exit");
      child.stdin.write(`${numbered(1)[0]}\n`);
      await vi.waitFor(async () => expect(await stored(redis.url)).toHaveLength(1), { timeout: 30_000, interval: 50 });
      child.kill("SIGINT");
      expect(await text(child.stdout)).toBe(`${JSON.stringify({ sent: 1, duplicates: 0, invalid: 0 })}\n`);
      expect(await exit).toEqual([130, null]);
    } finally {
      await redis.close();
    }
  });

  it("waits for a Redis that freezes, dies and comes back, and then everything is there once", async () => {
    const redis = await startOwnRedis();
    try {
      const count = 12_000;
      const child = startHeadraceRaw(["send", "logins", "--rate", "4000", "--json"], {
        env: { ...operator.env, REDIS_URL: redis.url },
      });
      const exit = once(child, "exit");
      const said = text(child.stderr);
      const answer = text(child.stdout);
      child.stdin.end(numbered(count).join("\n"));
      for (const part of [0.1, 0.3, 0.5]) {
        await vi.waitFor(async () => expect((await stored(redis.url)).length).toBeGreaterThan(count * part), {
          timeout: 30_000,
          interval: 100,
        });
        // A frame that is under way when it freezes may be on disk without its answer: it must not be there twice.
        redis.freeze();
        await redis.kill();
        await redis.restart();
      }
      expect(await exit).toEqual([0, null]);
      expect(JSON.parse(await answer)).toEqual({ sent: count, duplicates: 0, invalid: 0 });
      expect(await said).toMatch(/cannot store events, trying again/);

      const ids = await stored(redis.url);
      expect(ids).toHaveLength(count);
      expect(new Set(ids).size).toBe(count);
    } finally {
      await redis.close();
    }
  });

  it("acknowledges at the level that it is told, and refuses one that the server cannot give", async () => {
    const redis = await startOwnRedis({ appendonly: "no" });
    try {
      const env = { REDIS_URL: redis.url };
      const input = numbered(10).join("\n");
      const plain = await operator.tryRun(["send", "logins", "--json"], { input, env });
      expect(JSON.parse(plain.stdout)).toEqual({ sent: 10, duplicates: 0, invalid: 0 });
      const onDisk = await operator.tryRun(["send", "logins", "--durability", "fsync"], { input, env });
      expect([onDisk.code, onDisk.stdout]).toEqual([1, ""]);
      expect(onDisk.stderr).toMatch(/^error: Redis writes no log to disk.*\n {7}Set appendonly to yes/);
      const wrong = await operator.tryRun(["send", "logins", "--durability", "tape"], { input, env });
      expect(wrong.code).toBe(2);
      expect(wrong.stderr).toMatch(/memory, fsync, replica/);
      expect(await stored(redis.url)).toHaveLength(10);
    } finally {
      await redis.close();
    }
  });

  it("gives up a Redis that stays away for longer than it was told to wait, with a sentence and exit code 1", async () => {
    const redis = await startOwnRedis();
    try {
      const child = startHeadraceRaw(["send", "logins", "--rate", "500", "--give-up-after", "500ms", "--json"], {
        env: { ...operator.env, REDIS_URL: redis.url },
      });
      const exit = once(child, "exit");
      const said = text(child.stderr);
      const answer = text(child.stdout);
      child.stdin.on("error", () => {}); // it stops before it has read all of it
      child.stdin.end(numbered(20_000).join("\n"));
      await vi.waitFor(async () => expect((await stored(redis.url)).length).toBeGreaterThan(0), {
        timeout: 30_000,
        interval: 20,
      });
      await redis.kill();

      expect(await exit).toEqual([1, null]);
      expect(await answer).toBe("");
      expect(await said).toMatch(
        /^error: Redis stayed away for longer than 500ms, at line \d+: .*\n {7}Send the same lines again.*\n$/m,
      );
      expect(await said).not.toMatch(/\n\s+at /);
    } finally {
      await redis.close();
    }
  });
});

/** Lines of events with ids of their own, over many users. */
const numbered = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, n) =>
    JSON.stringify({ id: `event ${n}`, type: "login.failed", data: { userId: `user-${n % 97}`, ip: "203.0.113.7" } }),
  );

/** The ids of all events in the frames of `logins`, as often as they are there. */
async function stored(url: string): Promise<readonly string[]> {
  const client = await redisClient(url);
  try {
    const raw = client.withTypeMapping({ 36: Buffer });
    const ids: string[] = [];
    for (const { log } of partitionsOf(logins.plan)) {
      const entries = (await raw.sendCommand(["XRANGE", log, "-", "+"])) as unknown as [Buffer, Buffer[]][];
      for (const [, fields] of entries) {
        const named = new Map(
          fields.flatMap((field, at) => (at % 2 === 0 ? [[String(field), fields[at + 1] as Buffer] as const] : [])),
        );
        ids.push(...decodeAll(named).map(({ id }) => id));
      }
    }
    return ids;
  } finally {
    client.destroy();
  }
}

const rows = () =>
  operator.sql(
    "SELECT user_id, toUInt32(count()) AS rows, toUInt32(uniqExact(event_id)) AS ids, toString(max(at)) AS at FROM login_events FINAL GROUP BY user_id ORDER BY user_id",
  );

/** A time as ClickHouse prints it. */
const stamp = (at: number): string => new Date(at).toISOString().replace("T", " ").slice(0, 23);

async function text(stream: NodeJS.ReadableStream): Promise<string> {
  let all = "";
  for await (const part of stream) all += part;
  return all;
}
