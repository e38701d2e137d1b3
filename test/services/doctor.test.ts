import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { loginFailures, logins } from "../../pipelines/streams.ts";
import { encodeFrame } from "../../src/bus/frame.ts";
import { keys, type Partition, partitionsOf } from "../../src/bus/partition.ts";
import { openRedisBus } from "../../src/bus/redis/bus.ts";
import { silentLogger } from "../../src/core/log.ts";
import { fetchAs } from "../support/addresses.ts";
import { closeAll } from "../support/close-all.ts";
import { freePort } from "../support/free-port.ts";
import { linesOf, type Operator, openOperator } from "../support/operator.ts";
import { type OwnRedis, startOwnRedis } from "../support/own-redis.ts";
import { redisClient } from "../support/redis.ts";
import { refuseAll } from "../support/refusal.ts";
import { envelopeOf } from "../support/workbench.ts";

interface Finding {
  readonly severity: "error" | "warning" | "note";
  readonly what: string;
  readonly where: string;
  readonly hint: string;
}

interface Verdict {
  readonly code: number;
  readonly ok: unknown;
  readonly findings: readonly Finding[];
}

// Both that read `logins`: what one of them has not read is not removed.
const worker = ["start", "--role", "worker", "--pipelines", "login-analytics,login-failures", "--json"];

let operator: Operator;
let own: OwnRedis;
let redis: Awaited<ReturnType<typeof redisClient>>;
let env: { readonly REDIS_URL: string };
/** What takes long, mostly by waiting: begun with the file, and looked at by its test. */
let begun: { readonly away: Promise<Verdict>; readonly trimmed: ReturnType<typeof trimBesideDeadGroup> };

beforeAll(async () => {
  operator = await openOperator();
  await operator.run(["migrate", "--apply"]);
  own = await startOwnRedis();
  env = { REDIS_URL: own.url };
  redis = await redisClient(own.url);
  begun = { away: askNobody(), trimmed: trimBesideDeadGroup() };
  for (const promise of Object.values(begun)) promise.catch(() => {}); // its test looks at it
}, 120_000);

afterAll(async () => {
  await Promise.allSettled(Object.values(begun ?? {}));
  await closeAll([() => own?.close(), () => redis?.destroy(), () => operator?.stopAll()]);
}, 120_000);

async function doctor(more: Readonly<Record<string, string>> = {}): Promise<Verdict> {
  const { code, stdout } = await operator.tryRun(["doctor", "--json"], { env: { ...env, ...more } });
  const lines = linesOf<Finding & { readonly ok?: boolean }>(stdout);
  return { code, ok: lines.at(-1)?.ok, findings: lines.slice(0, -1) };
}

/** Where nothing answers; Temporal is waited for, for ten seconds. */
async function askNobody(): Promise<Verdict> {
  const nowhere = `127.0.0.1:${await freePort()}`;
  return doctor({ REDIS_URL: `redis://${nowhere}`, CLICKHOUSE_URL: `http://${nowhere}`, TEMPORAL_ADDRESS: nowhere });
}

/** On a Redis of its own, a group that nobody reads with beside two days of entries; it is removed once the worker has told of it. */
async function trimBesideDeadGroup() {
  const apart = await startOwnRedis();
  const client = await redisClient(apart.url);
  const log = "hr:{logins:00}:s";
  const old = Date.now() - 2 * 86_400_000;
  await Promise.all(Array.from({ length: 1_500 }, (_, n) => client.xAdd(log, `${old}-${n + 1}`, plain(n))));
  await client.xGroupCreate(log, "retired", "0");
  const fresh = await client.xAdd(log, "*", plain(9_999));
  const started = await operator.start(worker, { env: { REDIS_URL: apart.url } });
  try {
    await vi.waitFor(() => expect(started.said()).toContain("'retired' keeps 'logins' from being trimmed"), {
      timeout: 40_000,
      interval: 100,
    });
    const [said, lengthBefore] = [started.said(), await client.xLen(log)];
    await client.xGroupDestroy(log, "retired");
    await vi.waitFor(async () => expect(await client.xLen(log)).toBe(1), { timeout: 40_000, interval: 100 });
    const left = (await client.xRange(log, "-", "+"))?.map((entry) => entry?.id);
    return { log, fresh, said, lengthBefore, left };
  } finally {
    await started.stop();
    client.destroy();
    await apart.close();
  }
}

const isBad = ({ severity }: Finding) => severity !== "note";
const hourAgo = (n: number) => `${Date.now() - 3_600_000}-${n}`;
const plain = (n: number) => ({ data: JSON.stringify({ type: "login.failed", data: { userId: `u${n}`, ip: "203.0.113.7" } }) });

describe("headrace doctor", () => {
  beforeEach(async () => {
    await redis.flushAll();
    for (const [name, value] of [
      ["appendonly", "yes"],
      ["appendfsync", "always"],
      ["maxmemory-policy", "noeviction"],
      ["maxmemory", "0"],
    ] as const) {
      await redis.configSet(name, value);
    }
  });

  it("is content with services that lose nothing, and says for people that all is well", async () => {
    const { code, ok, findings } = await doctor();
    expect({ code, ok, bad: findings.filter(isBad) }).toEqual({ code: 0, ok: true, bad: [] });
    const { stdout } = await operator.run(["doctor"], { env });
    expect(stdout).toMatch(/^ok: 0 errors, 0 warnings, \d+ notes$/m);
  });

  it.each([
    {
      name: "an eviction policy",
      setting: ["maxmemory-policy", "allkeys-lru"],
      severity: "error",
      what: /evicts keys .*allkeys-lru/,
      hint: /CONFIG SET maxmemory-policy noeviction/,
    },
    {
      name: "no append-only file",
      setting: ["appendonly", "no"],
      severity: "error",
      what: /since the last snapshot are gone/,
      hint: /CONFIG SET appendonly yes/,
    },
    {
      name: "appendfsync no",
      setting: ["appendfsync", "no"],
      severity: "warning",
      what: /half a minute/,
      hint: /appendfsync always/,
    },
    {
      name: "a memory that is full",
      setting: ["maxmemory", "what is used"],
      severity: "error",
      what: /\d\d % of it is used/,
      hint: /raise maxmemory/,
    },
  ] as const)("finds $name", async ({ setting: [name, value], severity, what, hint }) => {
    const used = /used_memory:(\d+)/.exec(await redis.info("memory"))?.[1];
    await redis.configSet(name, value === "what is used" ? String(used) : value);
    const { code, ok, findings } = await doctor();
    expect({ code, ok }).toEqual({ code: 1, ok: false });
    expect(findings.filter(isBad)).toEqual([
      { severity, what: expect.stringMatching(what), where: expect.stringContaining("redis"), hint: expect.stringMatching(hint) },
    ]);
  });

  it("notes what 'headrace up' does by default, and is content with it", async () => {
    await redis.configSet("appendfsync", "everysec");
    const { code, ok, findings } = await doctor();
    expect({ code, ok, bad: findings.filter(isBad) }).toEqual({ code: 0, ok: true, bad: [] });
    expect(findings).toContainEqual({
      severity: "note",
      what: expect.stringMatching(/loses acknowledged events of the last second/),
      where: "redis appendfsync",
      hint: expect.stringMatching(/appendfsync always/),
    });
  });

  it("finds services that do not answer, a database without tables, and a namespace that is not there", async () => {
    const away = await begun.away;
    expect(away).toMatchObject({ code: 1, ok: false });
    expect(away.findings.map(({ severity, where }) => `${severity} ${where}`)).toEqual([
      "error redis",
      "error clickhouse",
      "error temporal",
    ]);
    expect(away.findings.every(({ hint }) => hint.includes("headrace up"))).toBe(true);

    const { findings } = await doctor({ CLICKHOUSE_DATABASE: "not_there", TEMPORAL_NAMESPACE: "nor-this" });
    expect(findings).toContainEqual({
      severity: "error",
      what: "it is not there",
      where: "clickhouse login_events",
      hint: "Run 'headrace migrate --apply'.",
    });
    expect(findings.find(({ where }) => where === "temporal")?.what).toContain("no namespace 'nor-this'");
  }, 120_000);

  const run = (query: string) => {
    const { CLICKHOUSE_URL: url, CLICKHOUSE_DATABASE: database } = operator.env as Record<string, string>;
    return fetchAs(`${url}/?database=${database}`, { method: "POST", body: query });
  };

  it("notes which tables a crash of ClickHouse's machine can set back, until their inserts are on disk when they are answered", async () => {
    const atRisk = async () => (await doctor()).findings.find(({ what }) => what.includes("crash of its machine"));
    expect(await atRisk()).toMatchObject({
      severity: "note",
      where: "clickhouse",
      what: expect.stringContaining("login_events"),
    });
    await run("ALTER TABLE login_events MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1");
    const left = await atRisk();
    expect(left?.what).toContain("cart_events");
    expect(left?.what).not.toContain("login_events");
    // The definition does not mind.
    expect((await doctor()).findings.filter(isBad)).toEqual([]);
  }, 120_000);

  it("finds a table that differs from its definition", async () => {
    await run("ALTER TABLE cart_events DROP COLUMN reason");
    const { code, findings } = await doctor();
    expect(code).toBe(1);
    expect(findings.filter(isBad)).toMatchObject([{ severity: "warning", where: "clickhouse cart_events" }]);
    await operator.run(["migrate", "--apply"]);
    expect((await doctor()).findings.filter(isBad)).toEqual([]);
  }, 120_000);

  it("finds pipelines without a worker and groups that nobody reads with, and names the command that removes those", async () => {
    for (const partition of ["00", "03"]) {
      const log = `hr:{logins:${partition}}:s`;
      for (let n = 0; n < 3; n++) await redis.xAdd(log, hourAgo(n), plain(n));
      await redis.xGroupCreate(log, "retired", "0");
    }
    const { code, findings } = await doctor();
    expect(code).toBe(1);
    expect(findings.filter(isBad)).toEqual([
      {
        severity: "warning",
        where: "stream 'logins', group 'retired'",
        what: expect.stringMatching(
          /no pipeline of this application: 6 entries wait for it in 2 partitions, the oldest for 1 hour/,
        ),
        hint: expect.stringContaining(
          "redis-cli XGROUP DESTROY 'hr:{logins:00}:s' retired; redis-cli XGROUP DESTROY 'hr:{logins:03}:s' retired",
        ),
      },
      {
        severity: "warning",
        where: "stream 'logins', group 'login-analytics'",
        what: expect.stringMatching(/no worker runs the pipeline: 6 entries wait for it in 2 partitions/),
        hint: "Run 'headrace start --role worker --pipelines login-analytics'.",
      },
      {
        severity: "warning",
        where: "stream 'logins', group 'login-failures'",
        what: expect.stringMatching(/no worker runs the pipeline: 6 entries wait for it in 2 partitions/),
        hint: "Run 'headrace start --role worker --pipelines login-failures'.",
      },
    ]);
  });

  it.each([
    {
      name: "no worker runs the pipeline",
      pipeline: "login-failures",
      isOwned: false,
      hint: /^Run 'headrace start --role worker --pipelines login-failures'\.$/,
    },
    {
      name: "a worker runs it",
      pipeline: "login-failures",
      isOwned: true,
      hint: /^Look for 'outbox' in the log of the worker that runs 'login-failures': it says why 'login-failures\/01' takes none/,
    },
    {
      name: "the pipeline is none of this application",
      pipeline: "retired",
      isOwned: false,
      hint: /no pipeline of this application.* --pipelines retired'\) until they have gone/,
    },
  ])("finds derived events that stand still, where $name", async ({ pipeline, isOwned, hint }) => {
    const [partition] = partitionsOf(logins.plan) as [Partition];
    const [, to] = partitionsOf(loginFailures.plan) as [Partition, Partition];
    await redis.xAdd(partition.log, "*", plain(1));
    const bus = await openRedisBus({ url: own.url, logger: silentLogger });
    const acquired = await bus.acquire(partition, pipeline, { owner: "w", ttlMs: 600_000 });
    if (acquired.kind !== "owned") throw new Error("taken");
    const fence = { partition, pipeline, owner: "w", epoch: acquired.epoch, tenure: acquired.tenure };
    const given = await bus.read(fence, { from: "new", after: "0-0", count: 1 });
    if (given.kind !== "entries") throw new Error(given.kind);
    const frame = encodeFrame([envelopeOf(1, "login.failed", { userId: "ada" })]);
    const nothing = { counts: {}, deadLetters: [], keyed: undefined, checkpoint: undefined };
    const entries = given.entries.map(({ id }) => id);
    await bus.commit(fence, { ...nothing, number: 1, reads: given.reads, entries, derived: [{ to, frame }] });
    if (!isOwned) await bus.release(fence);
    await bus.close();
    const ofPipeline = async () =>
      (await doctor()).findings.filter(({ where }) => where === `stream 'logins', group '${pipeline}'`);
    // It has only just been made.
    expect(await ofPipeline()).toEqual([]);

    const outbox = keys.outbox(partition, pipeline);
    const [made] = (await redis.xRange(outbox, "-", "+")) ?? [];
    await redis.del(outbox);
    await redis.xAdd(outbox, hourAgo(0), made?.message ?? {});
    expect(await ofPipeline()).toEqual([
      {
        severity: "warning",
        where: `stream 'logins', group '${pipeline}'`,
        what: "derived events stand still on their way: 1 frame in the outbox of 1 partition, the oldest, for 'login-failures/01', for 1 hour",
        hint: expect.stringMatching(hint),
      },
    ]);
  });

  it("finds a record of an outbox that nobody can read, whatever else it holds, and finds the rest too", async () => {
    const [, partition] = partitionsOf(logins.plan) as [Partition, Partition];
    await redis.xAdd(partition.log, "*", plain(1));
    const outbox = keys.outbox(partition, "login-failures");
    const id = await redis.xAdd(outbox, "*", { to: "{", inc: "1", fs: "0", n: "1", t0: "0", t1: "0", h: "", d: "" });
    const found = (await doctor()).findings.filter(
      ({ where }) => where.startsWith("stream '") && where.includes("login-failures"),
    );
    expect(found).toEqual([
      {
        severity: "error",
        where: `stream '${partition.log}', group 'login-failures'`,
        what: `derived events cannot be read in the outbox '${outbox}', record ${id}: its 'to' is no partition; what is next behind them in their stream waits`,
        hint: expect.stringContaining(`redis-cli XDEL '${outbox}' ${id}`),
      },
    ]);
    await redis.del(outbox);
  });

  it("finds entries that somebody removed before they were read or acked", async () => {
    const log = "hr:{carts:05}:s";
    await redis.xGroupCreate(log, "carts", "0", { MKSTREAM: true });
    for (let n = 0; n < 10; n++) await redis.xAdd(log, "*", plain(n));
    await redis.xReadGroup("carts", "owner", { key: log, id: ">" }, { COUNT: 4 });
    expect((await doctor()).findings.filter(isBad)).toEqual([]);
    await redis.xTrim(log, "MAXLEN", 3);
    const { code, findings } = await doctor();
    expect(code).toBe(1);
    const hint = expect.stringContaining(`XADD with MAXLEN) from '${log}'`);
    const where = `stream '${log}', group 'carts'`;
    expect(findings.filter(isBad)).toEqual([
      { severity: "error", where, what: "at least 3 entries went before it was given them", hint },
      { severity: "error", where, what: "at least 4 entries went after it was given them, and before it acked them", hint },
    ]);
  }, 120_000);
});

describe("a worker", () => {
  it("refuses to start on a Redis that evicts", async () => {
    await redis.configSet("maxmemory-policy", "volatile-ttl");
    const refusal = { code: 1, says: /evicts keys .*volatile-ttl/, wayOut: /CONFIG SET maxmemory-policy noeviction/ } as const;
    await refuseAll(operator, [["eviction", worker, refusal, env]]);
    await redis.configSet("maxmemory-policy", "noeviction");
  });

  it("starts where its user may not ask, and says that nothing was checked", async () => {
    await redis.sendCommand(["ACL", "SETUSER", "modest", "on", ">secret", "~*", "&*", "+@all", "-info", "-config"]);
    const started = await operator.start(worker, { env: { REDIS_URL: own.url.replace("//", "//modest:secret@") } });
    await started.stop();
    expect(started.said()).toMatch(/evicts nothing is not checked/);
  });

  it("says which dead group keeps a stream from being trimmed, removes nothing of it, and trims once the group is gone", async () => {
    const { log, fresh, said, lengthBefore, left } = await begun.trimmed;
    expect(said).toContain(`redis-cli XGROUP DESTROY '${log}' retired`);
    expect(lengthBefore).toBe(1_501);
    expect(left).toEqual([fresh]);
  }, 120_000);
});
