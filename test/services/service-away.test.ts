import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { FaultProxy } from "../chaos/proxy.ts";
import { fetchAs } from "../support/addresses.ts";
import { type Operator, openOperator } from "../support/operator.ts";
import { redisClient } from "../support/redis.ts";
import { type Case, refuseAll } from "../support/refusal.ts";

/** Nobody listens on port 1. */
const closed = { REDIS_URL: "redis://127.0.0.1:1", CLICKHOUSE_URL: "http://127.0.0.1:1", TEMPORAL_ADDRESS: "127.0.0.1:1" };
const noServices = { REDIS_URL: "", CLICKHOUSE_URL: "", TEMPORAL_ADDRESS: "" };
const onePlainLogin = JSON.stringify({ type: "login.failed", data: { userId: "ada", ip: "203.0.113.7" } });

let operator: Operator;
let folder: string;

beforeAll(async () => {
  operator = await openOperator();
  folder = await mkdtemp(join(tmpdir(), "headrace-away-"));
  for (const [name, stack] of [
    ["half-written", '{"redis":"redis://127.0.0.1:63'],
    ["of-another-tool", '{"services":["web"]}'],
  ] as const) {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, "stack.json"), stack);
  }
  await mkdir(join(folder, "nothing-there"));
  await writeFile(join(folder, "a-file"), "");
  await writeFile(join(folder, "secret"), operator.env["REDIS_URL"] as string);
}, 120_000);

afterAll(async () => {
  // Also the workers of a test that has failed.
  await operator.stopAll();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

describe("a service that is away", () => {
  it("is named with its address and the way out, by every verb that needs it", async () => {
    const redis = {
      code: 1,
      says: /Redis does not answer at 127\.0\.0\.1:1: connect ECONNREFUSED/,
      wayOut: /headrace up.*REDIS_URL/,
    } as const;
    const clickhouse = {
      code: 1,
      says: /ClickHouse does not answer at 127\.0\.0\.1:1: connect ECONNREFUSED/,
      wayOut: /headrace up.*CLICKHOUSE_URL/,
    } as const;
    const temporal = {
      code: 1,
      says: /Temporal does not answer at 127\.0\.0\.1:1/,
      wayOut: /headrace up.*TEMPORAL_ADDRESS/,
    } as const;
    await operator.run(["migrate", "--apply"]);
    await refuseAll(operator, [
      ...[
        ["start", "--role", "worker"],
        ["start", "--role", "saga"],
        ["send", "logins"],
        ["audit"],
        ["lag"],
        ["rollup"],
        ["dlq", "ls"],
        ["dlq", "show"],
        ["dlq", "stats"],
      ].map((verb): Case => ["Redis", verb, redis, { REDIS_URL: closed.REDIS_URL }]),
      ...[["start", "--role", "worker"], ["sql", "SELECT 1"], ["migrate"], ["migrate", "--apply"], ["rollup"]].map(
        (verb): Case => ["ClickHouse", verb, clickhouse, { CLICKHOUSE_URL: closed.CLICKHOUSE_URL }],
      ),
      ...["worker", "saga"].map(
        (role): Case => ["Temporal", ["start", "--role", role], temporal, { TEMPORAL_ADDRESS: closed.TEMPORAL_ADDRESS }],
      ),
    ]);
  }, 240_000);

  it("is asked for where neither the environment nor a stack names it", async () => {
    const dir = ["--dir", join(folder, "nothing-there")];
    await refuseAll(operator, [
      [
        "Redis",
        [...dir, "lag"],
        { code: 1, says: /no Redis: REDIS_URL is not set, and no stack runs on .*nothing-there/, wayOut: /headrace up/ },
        noServices,
      ],
      [
        "ClickHouse",
        [...dir, "sql", "SELECT 1"],
        { code: 1, says: /no ClickHouse: CLICKHOUSE_URL is not set/, wayOut: /headrace up/ },
        noServices,
      ],
      [
        "a stack file cut short",
        ["--dir", join(folder, "half-written"), "lag"],
        { code: 1, says: /no stack runs on .*half-written/, wayOut: /headrace up/ },
        noServices,
      ],
      [
        "a stack file of another tool",
        ["--dir", join(folder, "of-another-tool"), "lag"],
        { code: 1, says: /no stack runs on .*of-another-tool/, wayOut: /headrace up/ },
        noServices,
      ],
    ]);
  }, 120_000);

  it("is not looked for at an address that cannot be one; and no password is told", async () => {
    const redis = /the address of Redis cannot be read: /;
    const { REDIS_URL: url = "", CLICKHOUSE_URL: clickhouse = "" } = operator.env;
    const { host, password } = new URL(url);
    await refuseAll(operator, [
      ...["nonsense", "http://127.0.0.1:1", "redis://127.0.0.1:1/first"].map(
        (address): Case => [
          address,
          ["lag"],
          { code: 1, says: redis, wayOut: /REDIS_URL looks like redis:/ },
          { REDIS_URL: address },
        ],
      ),
      [
        "another protocol",
        ["lag"],
        { code: 1, says: /^((?!hunter2).)*the address of Redis cannot be read: ((?!hunter2).)*$/, wayOut: /REDIS_URL/ },
        { REDIS_URL: "amqp://ada:hunter2@127.0.0.1:1" },
      ],
      [
        "a database that Redis has not",
        ["lag"],
        { code: 1, says: /Redis refuses the connection to .*: ERR DB index/, wayOut: /REDIS_URL/ },
        { REDIS_URL: `redis://:${password}@${host}/99999` },
      ],
      [
        "a wrong password",
        ["lag"],
        { code: 1, says: /^((?!hunter2).)*Redis refuses the connection to ((?!hunter2).)*: WRONGPASS/, wayOut: /password/ },
        { REDIS_URL: `redis://ada:hunter2@${host}` },
      ],
      [
        "ClickHouse",
        ["sql", "SELECT 1"],
        { code: 1, says: /the address of ClickHouse cannot be read: /, wayOut: /http:\/\/host:8123/ },
        { CLICKHOUSE_URL: "nonsense" },
      ],
      [
        "Redis in the place of ClickHouse",
        ["sql", "SELECT 1"],
        { code: 1, says: /ClickHouse does not answer at/, wayOut: /CLICKHOUSE_URL/ },
        { CLICKHOUSE_URL: `http://${host}` },
      ],
      [
        "ClickHouse in the place of Redis",
        ["lag"],
        { code: 1, says: /Redis does not answer at/, wayOut: /REDIS_URL/ },
        { REDIS_URL: clickhouse.replace("http:", "redis:") },
      ],
      [
        "a secret that is not there",
        ["lag"],
        { code: 1, says: /REDIS_URL_FILE names .*no-secret, which cannot be read: ENOENT/, wayOut: /path/ },
        { REDIS_URL: "", REDIS_URL_FILE: join(folder, "no-secret") },
      ],
      [
        "a secret that is a directory",
        ["lag"],
        { code: 1, says: /REDIS_URL_FILE names .*, which cannot be read: EISDIR/, wayOut: /path/ },
        { REDIS_URL: "", REDIS_URL_FILE: folder },
      ],
    ]);
    await operator.run(["lag"], { env: { REDIS_URL: "", REDIS_URL_FILE: join(folder, "secret") } });
  }, 120_000);
});

describe("a state directory", () => {
  it("that cannot be written, or a standard port that is taken, keeps up from starting", async () => {
    const listening = await listen(6379);
    try {
      await refuseAll(operator, [
        [
          "a file in its place",
          ["up", "--dir", join(folder, "a-file"), "--json"],
          { code: 1, says: /cannot be kept in .*a-file: a file is in its place/, wayOut: /--dir/ },
        ],
        [
          "below a file",
          ["up", "--dir", join(folder, "a-file", "state"), "--json"],
          { code: 1, says: /cannot be kept in .*: a part of its path is a file/, wayOut: /--dir/ },
        ],
        [
          "a taken port",
          ["up", "--dir", join(folder, "ports"), "--ports", "standard", "--json"],
          { code: 1, says: /port \d+, the standard one of \S+, is taken/, wayOut: /--ports free/ },
        ],
      ]);
    } finally {
      listening?.close();
    }
  }, 60_000);
});

describe("ClickHouse", () => {
  it("tells what is wrong with a statement, in its own words", async () => {
    const wayOut = /one SELECT, without FORMAT.*headrace migrate/;
    await refuseAll(operator, [
      ["no statement of SQL", ["sql", "SELEC 1"], { code: 1, says: /Syntax error/, wayOut }],
      ["no such table", ["sql", "SELECT * FROM nowhere", "--json"], { code: 1, says: /nowhere/, wayOut }],
      ["a format of one's own", ["sql", "SELECT 1 FORMAT CSV"], { code: 1, says: /Syntax error/, wayOut }],
      ["a value that cannot be read", ["sql", "SELECT toUInt8('many')"], { code: 1, says: /many/, wayOut }],
    ]);
  }, 60_000);

  it("without its tables keeps a worker from starting, and nothing becomes a dead letter", async () => {
    const database = `${operator.env["CLICKHOUSE_DATABASE"]}_empty`;
    const redis = await redisClient(operator.env["REDIS_URL"] as string);
    await redis.xAdd("app:logins", "*", { data: onePlainLogin });
    redis.destroy();
    const worker = ["start", "--role", "worker", "--pipelines", "login-analytics", "--json"];
    const refusal = {
      code: 1,
      says: /ClickHouse has no login_events in the database '\w+_empty'/,
      wayOut: /headrace migrate --apply/,
    } as const;
    await refuseAll(operator, [["no database", worker, refusal, { CLICKHOUSE_DATABASE: database }]]);
    await operator.run(["sql", "SELECT 1"]);
    expect(await operator.deadLetters()).toEqual([]);
    expect(await operator.audit("login-analytics")).toMatchObject({ read: 0, balanced: true });
  });

  it("that loses a table stops the worker with a sentence; when it is back, every event lands and none is a dead letter", async () => {
    await operator.run(["migrate", "--apply"]);
    const env = operator.env;
    const worker = await operator.start(["start", "--role", "worker", "--pipelines", "login-analytics", "--json"]);
    await operator.drained("login-analytics");
    await command("RENAME TABLE login_events TO login_events_aside", env);
    const ended = new Promise<number | null>((resolve) => worker.process.once("exit", resolve));
    await operator.run(["send", "logins"], { input: onePlainLogin });

    expect(await ended).toBe(1);
    expect(worker.said()).toMatch(
      /^error: insert into login_events: UNKNOWN_TABLE 60: .*\n {7}Run .headrace migrate --apply.*\n$/m,
    );
    expect(worker.said()).not.toMatch(/\n\s+at /);
    expect(await operator.deadLetters()).toEqual([]);

    await command("RENAME TABLE login_events_aside TO login_events", env);
    await operator.start(["start", "--role", "worker", "--pipelines", "login-analytics", "--json"]);
    await operator.drained("login-analytics");
    expect(await operator.sql("SELECT toUInt32(count()) AS rows FROM login_events FINAL")).toEqual([{ rows: 2 }]);
    expect(await operator.audit("login-analytics")).toMatchObject({
      read: 2,
      delivered: 2,
      deadLettered: {},
      inFlight: 0,
      lost: 0,
      vanished: 0,
      balanced: true,
    });
    await operator.stopAll();
  }, 120_000);

  it("and stays away while a worker is told to stop is named, and no delivery counts against what waited for it", async () => {
    await operator.run(["migrate", "--apply"]);
    const target = new URL(operator.env["CLICKHOUSE_URL"] as string);
    const proxy = await FaultProxy.listen(Number(target.port));
    target.port = String(proxy.port);
    const args = ["start", "--role", "worker", "--pipelines", "login-analytics", "--json"];
    const worker = await operator.start(args, { env: { CLICKHOUSE_URL: target.href } });
    await operator.drained("login-analytics");
    const before = await operator.audit("login-analytics");
    proxy.cutOff();
    await operator.run(["send", "logins"], { input: onePlainLogin });
    await vi.waitFor(async () => expect((await operator.audit("login-analytics")).inFlight).toBe(1), { timeout: 10_000 });
    const ended = once(worker.process, "exit");
    worker.process.kill("SIGTERM");

    expect(await ended).toEqual([1, null]);
    expect(worker.said()).toMatch(
      /^error: the sinks have not taken what was read within 20 s of the stop\n {7}Nothing is lost: the next worker .*\n$/m,
    );
    expect(worker.said()).not.toMatch(/\n\s+at /);
    expect((await operator.lag("login-analytics")).filter(({ owner }) => owner !== null)).toEqual([]);
    expect(await deliveries("login-analytics")).toEqual([0]);

    await operator.start(args);
    await operator.drained("login-analytics");
    expect(await operator.audit("login-analytics")).toMatchObject({
      read: before.read + 1,
      delivered: before.delivered + 1,
      deadLettered: {},
      inFlight: 0,
      balanced: true,
    });
    await operator.stopAll();
    await proxy.close();
  }, 120_000);
});

/** How often each entry was given out that the group has not acked. */
async function deliveries(pipeline: string): Promise<readonly number[]> {
  const redis = await redisClient(operator.env["REDIS_URL"] as string);
  const logs = Array.from({ length: 8 }, (_, index) => `hr:{logins:0${index}}:s`);
  const pending = await Promise.all(logs.map((log) => redis.xPendingRange(log, pipeline, "-", "+", 100)));
  redis.destroy();
  return pending.flat().map(({ deliveriesCounter }) => deliveriesCounter);
}

/** Takes a port; undefined where somebody else has it. */
const listen = (port: number): Promise<Server | undefined> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen({ host: "127.0.0.1", port }, () => resolve(server));
  });

async function command(
  query: string,
  { CLICKHOUSE_URL: url = "", CLICKHOUSE_DATABASE: database = "" }: Readonly<Record<string, string>>,
): Promise<void> {
  const response = await fetchAs(`${url}/?database=${database}`, { method: "POST", body: query });
  if (!response.ok) throw new Error(`${query}: ${await response.text()}`);
}
