import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Operator, openOperator } from "../support/operator.ts";
import { redisClient } from "../support/redis.ts";
import { classic, sshdLog } from "../unit/pipelines/sshd-log.ts";

const pipeline = "login-analytics";
/** They are killed: nobody is to wait for long. */
const startWorker = ["start", "--role", "worker", "--lease", "1s", "--json"];
const dayMs = 86_400_000;
/** Ten days ago, so that no session is still open when the tables are read. */
const start = new Date(Math.floor(Date.now() / dayMs) * dayMs - 10 * dayMs);
const log = sshdLog(1_800, 7, classic, start);
const year = String(start.getUTCFullYear());

/** What the log says, counted by regular expressions on its text: nothing here knows how the application reads it. */
const truth = count(log);

let operator: Operator;
let folder: string;
let file: string;

beforeAll(async () => {
  operator = await openOperator();
  folder = await mkdtemp(join(tmpdir(), "headrace-sshd-"));
  file = join(folder, "auth.log");
  await writeFile(file, `${log.join("\n")}\n`);
  await operator.run(["migrate", "--apply"]);
}, 60_000);

afterAll(async () => {
  await operator.stopAll();
  await rm(folder, { recursive: true, force: true });
});

describe("an sshd log", () => {
  it("has the size and the mixture that make the counts below mean something", () => {
    expect(log.length).toBeGreaterThan(5_000);
    expect(Math.min(truth.accepted, truth.closed, truth.folded, truth.failed)).toBeGreaterThan(50);
    expect(truth.accepted).toBeGreaterThan(truth.closed);
  });

  it("is sent with one event for each login, failure and logout", async () => {
    const { stdout } = await operator.run(["send", "logins", "--from", "sshd", "--year", year, "--file", file, "--json"]);
    expect(JSON.parse(stdout)).toEqual({ sent: truth.events, duplicates: 0, invalid: 0 });
  });

  it("is counted exactly, though three workers are killed while they drain it", async () => {
    const redis = await redisClient(operator.env["REDIS_URL"] as string);
    try {
      for (let kills = 0; kills < 3; kills++) {
        const worker = await operator.start([...startWorker, "--pipelines", pipeline]);
        // It has taken entries (its own, or those its predecessor left) and is at work on them.
        await vi.waitFor(async () => expect(await atWork(redis, String(worker.ready["instance"]))).toBeGreaterThan(0), {
          timeout: 20_000,
          interval: 2,
        });
        await worker.kill();
      }
    } finally {
      redis.destroy();
    }
    expect(sum((await operator.lag(pipeline)).map(({ pending }) => pending))).toBeGreaterThan(0);

    await operator.start([...startWorker, "--pipelines", pipeline]);
    await operator.drained(pipeline);

    await expectTruth();
    expect(await operator.audit(pipeline)).toEqual({
      pipeline,
      read: truth.events,
      delivered: truth.events,
      emitted: 0,
      dropped: {},
      deadLettered: {},
      duplicate: 0,
      late: 0,
      inFlight: 0,
      lost: 0,
      vanished: 0,
      balanced: true,
    });
  }, 120_000);

  it("changes no table when it is sent again, under another name and from standard input", async () => {
    const before = await fingerprints();

    const again = await operator.run(["send", "logins", "--from", "sshd", "--year", year, "--json"], { input: log.join("\n") });
    expect(JSON.parse(again.stdout)).toEqual({ sent: truth.events, duplicates: 0, invalid: 0 });
    await operator.drained(pipeline);

    expect(await fingerprints()).toEqual(before);
    await expectTruth();
    expect(await operator.audit(pipeline)).toMatchObject({
      read: 2 * truth.events,
      delivered: 2 * truth.events,
      inFlight: 0,
      lost: 0,
      vanished: 0,
      balanced: true,
    });
  });
});

describe("the attacks in an sshd log", () => {
  const pipelines = ["login-failures", "login-attacks"];
  const alerts = () =>
    operator.sql(`
      SELECT kind, subject, toString(since) AS since, toString(until) AS until, toUInt32(failures) AS failures
      FROM login_alerts ORDER BY kind, subject, since`);

  it("are those that a query over its rows finds, though workers are killed while they look; sent twice, they are the same", async () => {
    const wanted = await operator.sql(burstsInSql);
    expect(wanted.length).toBeGreaterThan(5);
    const start = () => operator.start([...startWorker, "--pipelines", pipelines.join(",")]);
    for (let kills = 0; kills < 3; kills++) {
      const worker = await start();
      await vi.waitFor(
        async () => expect(sum((await operator.lag("login-failures")).map(({ epoch }) => epoch))).toBeGreaterThan(9 * kills),
        {
          timeout: 20_000,
          interval: 20,
        },
      );
      await worker.kill();
    }
    await start();
    await vi.waitFor(
      async () => {
        for (const name of pipelines) await operator.drained(name);
        expect(await alerts()).toEqual(wanted);
      },
      { timeout: 60_000, interval: 500 },
    );
    for (const name of pipelines) expect(await operator.audit(name)).toMatchObject({ deadLettered: {}, late: 0, balanced: true });
    // Each failure was sent twice, and noted with its user and its address.
    expect(await operator.audit("login-attacks")).toMatchObject({ read: 4 * truth.failed, duplicate: 2 * truth.failed });
  }, 120_000);

  it("are kept by subject, for whoever asks", async () => {
    const [attack] = await alerts();
    const key = `${attack?.["kind"]}/${attack?.["subject"]}`;
    const { stdout } = await operator.run(["state", "get", "login-attacks", key, "--json"]);
    const found = stdout
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(found.map(({ stage }) => stage)).toEqual(["bursts", "alarm"]);
    expect(found[0]).toMatchObject({ pipeline: "login-attacks", key, timers: [{ timer: "close", clock: "event" }] });
    const cut = await operator.run(["state", "get", "login-attacks", "two\nlines"]);
    expect(cut.stdout).toBe(`${String.raw`'login-attacks' keeps nothing for $'two\nlines'`}\n`);
    const exact = await operator.run(["state", "get", "login-attacks", "two\nlines", "--json"]);
    expect(JSON.parse(exact.stdout)).toMatchObject({ key: "two\nlines", state: null });

    const nobody = await operator.run(["state", "get", "login-attacks", "user/nobody at all", "--json"]);
    expect(JSON.parse(nobody.stdout)).toMatchObject({ key: "user/nobody at all", state: null, timers: [] });
    expect(await operator.tryRun(["state", "get", "login-analytics", "x"])).toMatchObject({ code: 2 });
  });
});

/** Bursts by plain SQL: where the gap to the failure before is too large, another one begins. */
const burstsInSql = `
  WITH failed AS (
    SELECT 'user' AS kind, user_id AS subject, at, event_id FROM login_events FINAL WHERE outcome = 'failure'
    UNION ALL
    SELECT 'address' AS kind, ip AS subject, at, event_id FROM login_events FINAL WHERE outcome = 'failure'
  ), marked AS (
    SELECT kind, subject, at, event_id,
           at > lagInFrame(at) OVER (PARTITION BY kind, subject ORDER BY at, event_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
                + INTERVAL 5 MINUTE AS begins
    FROM failed
  ), numbered AS (
    SELECT kind, subject, at,
           sum(begins) OVER (PARTITION BY kind, subject ORDER BY at, event_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS burst
    FROM marked
  )
  SELECT kind, subject, toString(min(at)) AS since, toString(max(at)) AS until, toUInt32(count()) AS failures
  FROM numbered GROUP BY kind, subject, burst HAVING failures >= 5 ORDER BY kind, subject, since`;

/** Partitions that the worker owns and has taken entries of that it has not settled. */
async function atWork(redis: Awaited<ReturnType<typeof redisClient>>, instance: string): Promise<number> {
  const partitions = Array.from({ length: 8 }, (_, index) => `hr:{logins:0${index}}`);
  const busy = await Promise.all(
    partitions.map(async (partition) => {
      if ((await redis.hGet(`${partition}:lease:${pipeline}`, "owner")) !== instance) return false;
      return (await redis.xPending(`${partition}:s`, pipeline)).pending > 0;
    }),
  );
  return busy.filter(Boolean).length;
}

async function expectTruth(): Promise<void> {
  const [events] = await operator.sql(
    "SELECT toUInt32(countIf(outcome = 'failure')) AS failed, toUInt32(countIf(outcome = 'success')) AS accepted, toUInt32(countIf(outcome = 'ended')) AS closed, toUInt32(uniqExact(ip)) AS addresses FROM login_events FINAL",
  );
  expect(events).toEqual({ failed: truth.failed, accepted: truth.accepted, closed: truth.closed, addresses: truth.addresses });

  const [sessions] = await operator.sql(
    "SELECT toUInt32(count()) AS sessions, toUInt32(count(duration_ms)) AS ended, toString(sum(duration_ms)) AS total_ms FROM login_sessions",
  );
  expect(sessions).toEqual({ sessions: truth.accepted, ended: truth.closed, total_ms: String(truth.sessionMs) });

  const hours = await operator.sql<{ hour: string; failed: number }>(
    "SELECT formatDateTime(hour, '%dT%H') AS hour, toUInt32(failed) AS failed FROM logins_by_hour WHERE failed > 0 ORDER BY hour",
  );
  expect(new Map(hours.map(({ hour, failed }) => [hour, failed]))).toEqual(truth.failedByHour);

  const [root] = await operator.sql("SELECT toUInt32(sum(failed)) AS failed FROM logins_by_user_day WHERE user_id = 'root'");
  expect(root).toEqual({ failed: truth.failedAsRoot });
}

/** A hash of all that each table and view says. */
async function fingerprints(): Promise<ReadonlyMap<string, unknown>> {
  const tables = ["login_events FINAL", "login_sessions", "session_durations", "logins_by_hour", "logins_by_user_day"];
  const hashes = await Promise.all(
    tables.map((table) =>
      operator.sql(
        `SELECT toString(groupBitXor(cityHash64(toString(tuple(*))))) AS hash, toUInt32(count()) AS rows FROM ${table}`,
      ),
    ),
  );
  return new Map(tables.map((table, index) => [table, hashes[index]]));
}

function count(lines: readonly string[]) {
  const ofSshd = lines.flatMap((line) => {
    const match = /^(\w{3}) ( \d|\d\d) (\d\d):(\d\d):(\d\d) gate sshd(?:-session)?\[(\d+)\]: (.*)$/.exec(line);
    return match ? [match] : [];
  });
  const months = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const timeOf = ([, month = "", day, hour, minute, second]: RegExpExecArray) => {
    const inYear = (of: number) =>
      Date.UTC(of, months.indexOf(month) / 3, Number(day), Number(hour), Number(minute), Number(second));
    return inYear(start.getUTCFullYear()) < start.getTime() ? inYear(start.getUTCFullYear() + 1) : inYear(start.getUTCFullYear());
  };
  const failedByHour = new Map<string, number>();
  const addresses = new Set<string>();
  const acceptedAt = new Map<string, number>();
  const counts = { failed: 0, folded: 0, accepted: 0, closed: 0, failedAsRoot: 0, sessionMs: 0 };
  for (const match of ofSshd) {
    const [, , day = "", hour, , , pid = "", text = ""] = match;
    const folded = /^message repeated (\d+) times: \[ Failed /.exec(text);
    const times = folded ? Number(folded[1]) : text.startsWith("Failed ") ? 1 : 0;
    if (folded) counts.folded++;
    if (times > 0 || text.startsWith("Accepted ")) addresses.add(/.* from (\S+) port \d+ ssh2/.exec(text)?.[1] ?? "");
    if (times > 0) {
      counts.failed += times;
      const at = `${day.replace(" ", "0")}T${hour}`;
      failedByHour.set(at, (failedByHour.get(at) ?? 0) + times);
      if (/Failed \S+ for (invalid user )?root from/.test(text)) counts.failedAsRoot += times;
    } else if (text.startsWith("Accepted ")) {
      counts.accepted++;
      acceptedAt.set(pid, timeOf(match));
    } else if (text.startsWith("pam_unix(sshd:session): session closed for user")) {
      counts.closed++;
      counts.sessionMs += timeOf(match) - (acceptedAt.get(pid) as number);
    }
  }
  return { ...counts, failedByHour, addresses: addresses.size, events: counts.failed + counts.accepted + counts.closed };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);
