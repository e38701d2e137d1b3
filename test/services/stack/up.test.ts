import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient as createClickHouse } from "@clickhouse/client";
import { Client, Connection } from "@temporalio/client";
import { createClient as createRedis } from "redis";
import { expect, test } from "vitest";
import { sagaSearchAttributes } from "../../../src/core/search-attributes.ts";
import { commandLineOf, isAlive } from "../../../src/stack/process-check.ts";
import { startStack } from "../../../src/stack/start-stack.ts";
import { readStack, type StackInfo } from "../../../src/stack/state-file.ts";
import { fetchAs } from "../../support/addresses.ts";
import { headrace } from "../../support/headrace.ts";
import { until } from "./until.ts";

/** `headrace up` without the command line around it: what is on stdout, stderr and in the exit code is the verb's own. */
const verb = `
  const [{ upVerb }, { reportError }] = await Promise.all([import("./dist/cli/up.js"), import("./dist/cli/output.js")]);
  const [dir, ports] = process.argv.slice(1);
  process.exit(await upVerb({ cwd: process.cwd(), dir, ports, json: true, appendFsync: "always" }).catch((error) => reportError(error, false)));
`;

interface Up {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly errors: () => string;
  readonly ended: Promise<{ code: number | null; signal: string | null }>;
}

/** Three stacks that start at once take their time where the machine is busy. */
const patienceMs = 180_000;

/** What a test has for itself. */
interface Place {
  /** For the state of its stacks. */
  readonly dir: string;
  /** Runs `up` there, with free ports. */
  spawnUp(): Up;
  processOf(name: string): Recorded;
}

/**
 * Tests run side by side, since they wait most of the time: each in a directory of its own, with nothing left of it. Those that want a
 * port back run by themselves, so that none of the others takes it.
 */
const inPlace = (body: (place: Place) => Promise<void>) => async () => {
  const dir = await mkdtemp(join(tmpdir(), "headrace-up-"));
  const ups: ChildProcess[] = [];
  const spawnUp = (): Up => {
    const child = spawn(process.execPath, ["--input-type=module", "-e", verb, dir, "free"], {
      cwd: join(import.meta.dirname, "../../.."),
      stdio: ["ignore", "pipe", "pipe"],
    });
    ups.push(child);
    let [output, errors] = ["", ""];
    child.stdout.on("data", (piece) => (output += piece));
    child.stderr.on("data", (piece) => (errors += piece));
    const ended = once(child, "close").then(([code, signal]) => ({ code, signal }));
    return { child, output: () => output, errors: () => errors, ended };
  };
  const processOf = (wanted: string) => processesOf(dir).find(({ name }) => name === wanted) as Recorded;
  try {
    await body({ dir, spawnUp, processOf });
  } finally {
    await Promise.all(ups.map(stopped));
    await rm(dir, { recursive: true, force: true });
  }
};

async function stopped(up: ChildProcess): Promise<void> {
  if (up.exitCode !== null || up.signalCode !== null) return;
  const exit = once(up, "exit");
  up.kill("SIGTERM");
  await exit;
}

async function ready(up: Up): Promise<StackInfo> {
  const line = await until("up is ready", () => {
    if (up.child.exitCode !== null) throw new Error(`up ended: ${up.errors()}`);
    return up.output().includes("\n") ? up.output() : undefined;
  });
  const { ready: isReady, ...info } = JSON.parse(line) as StackInfo & { ready: boolean };
  expect(isReady).toBe(true);
  return info;
}

interface Recorded {
  readonly name: string;
  readonly pid: number;
  readonly guardPid: number;
}

const processesOf = (stateDir: string) =>
  (JSON.parse(readFileSync(join(stateDir, "processes.json"), "utf8")) as { processes: Recorded[] }).processes;
const pidsOf = (processes: readonly Recorded[]) => processes.flatMap(({ pid, guardPid }) => [pid, guardPid]);

async function withRedis<T>(url: string, use: (client: ReturnType<typeof createRedis>) => Promise<T>): Promise<T> {
  const client = createRedis({ url, socket: { reconnectStrategy: false } });
  client.on("error", () => {});
  await client.connect();
  try {
    return await use(client as ReturnType<typeof createRedis>);
  } finally {
    client.destroy();
  }
}

async function withTemporal<T>(address: string, use: (client: Client) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({ address });
  try {
    return await use(new Client({ connection }));
  } finally {
    await connection.close();
  }
}

async function fill(stack: StackInfo): Promise<void> {
  await withRedis(stack.redis, (redis) => redis.set("kept", "yes"));
  const clickhouse = createClickHouse({ url: stack.clickhouse });
  await clickhouse.command({ query: "CREATE TABLE kept (id UInt32) ENGINE = MergeTree ORDER BY id" });
  await clickhouse.insert({ table: "kept", values: [{ id: 7 }], format: "JSONEachRow" });
  await clickhouse.close();
  await withTemporal(stack.temporal, (temporal) => temporal.workflow.start("kept", { workflowId: "kept/1", taskQueue: "none" }));
}

async function expectFilled(stack: StackInfo): Promise<void> {
  expect(await withRedis(stack.redis, (redis) => redis.get("kept"))).toBe("yes");
  const answer = await fetchAs(`${stack.clickhouse}/?query=SELECT+id+FROM+kept`);
  expect(await answer.text()).toBe("7\n");
  const state = await withTemporal(stack.temporal, (temporal) => temporal.workflow.getHandle("kept/1").describe());
  expect(state.status.name).toBe("RUNNING");
}

test(
  "up says where everything is, and SIGTERM stops it with nothing left behind and the data kept",
  inPlace(async ({ dir, spawnUp }) => {
    const first = spawnUp();
    const info = await ready(first);
    expect(info).toMatchObject({
      redis: expect.stringMatching(/^redis:\/\/:[0-9a-f]{48}@127\.0\.0\.1:\d+$/),
      clickhouse: expect.stringMatching(/^http:\/\/default:[0-9a-f]{48}@127\.0\.0\.1:\d+$/),
      temporal: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      temporalUi: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      dir,
      pid: first.child.pid,
    });
    expect(readStack(dir)).toEqual(info);
    expect((await fetch(info.temporalUi)).ok).toBe(true);
    await fill(info);
    const processes = processesOf(dir);
    first.child.kill("SIGTERM");
    expect(await first.ended).toEqual({ code: 0, signal: null });
    expect(first.output().trim().split("\n")).toHaveLength(1);
    expect(pidsOf(processes).filter(isAlive)).toEqual([]);
    expect(readStack(dir)).toBeUndefined();
    expect(existsSync(join(dir, "stack.json"))).toBe(false);

    const second = spawnUp();
    const again = await ready(second);
    expect({ ...again, pid: 0 }).toEqual({ ...info, pid: 0 });
    await expectFilled(again);
    second.child.kill("SIGINT");
    expect((await second.ended).code).toBe(130);
  }),
  patienceMs,
);

test.concurrent(
  "nobody else comes in or looks in, also where a former version has left the state open; every verb finds the password",
  inPlace(async ({ dir, spawnUp }) => {
    for (const part of ["redis", "clickhouse", "temporal", "logs"]) mkdirSync(join(dir, part));
    writeFileSync(join(dir, "logs", "redis.log"), "of old\n", { mode: 0o644 });
    writeFileSync(join(dir, "password"), "half-writ", { mode: 0o644 });
    chmodSync(dir, 0o755);
    const info = await ready(spawnUp());
    const modeOf = (...path: readonly string[]) => (statSync(join(dir, ...path)).mode & 0o777).toString(8);
    for (const part of [".", "redis", "clickhouse", "temporal", "logs"]) expect([part, modeOf(part)]).toEqual([part, "700"]);
    const files = [
      "password",
      "redis.conf",
      "stack.json",
      "ports.json",
      "processes.json",
      "logs/redis.log",
      "logs/clickhouse.log",
    ];
    for (const file of [...files, "temporal/temporal.db"]) expect([file, modeOf(file)]).toEqual([file, "600"]);

    const { password } = new URL(info.redis);
    expect(readFileSync(join(dir, "password"), "utf8")).toBe(`${password}\n`);
    expect(new URL(info.clickhouse).password).toBe(password);
    for (const { pid } of processesOf(dir)) expect(commandLineOf(pid)).not.toContain(password);

    const bare = info.redis.replace(/\/\/.*@/, "//");
    await expect(withRedis(bare, (redis) => redis.ping())).rejects.toThrow("NOAUTH");
    await expect(withRedis(info.redis.replace(password, "wrong"), (redis) => redis.ping())).rejects.toThrow("WRONGPASS");
    expect(await withRedis(info.redis, (redis) => redis.ping())).toBe("PONG");
    expect((await fetch(`${info.clickhouse.replace(/\/\/.*@/, "//")}/?query=SELECT+1`)).status).toBe(401);
    const env = { REDIS_URL: "", CLICKHOUSE_URL: "", TEMPORAL_ADDRESS: "" };
    expect((await headrace(["sql", "SELECT 6 * 7 AS n", "--json", "--dir", dir], { env })).stdout).toBe('{"n":42}\n');
    await headrace(["lag", "--dir", dir], { env });
  }),
  patienceMs,
);

test.concurrent(
  "after a kill -9 of up nothing is left running, and the next up has the data of all three",
  inPlace(async ({ dir, spawnUp }) => {
    const first = spawnUp();
    await fill(await ready(first));
    const processes = processesOf(dir);
    expect(pidsOf(processes)).toHaveLength(6);
    first.child.kill("SIGKILL");
    await until("no process is left", () => pidsOf(processes).every((pid) => !isAlive(pid)));
    expect(readStack(dir)).toBeUndefined();
    await expectFilled(await ready(spawnUp()));
  }),
  patienceMs,
);

test.concurrent(
  "an up that starts at once after a kill -9 waits for the former services, also for one whose guard was killed too",
  inPlace(async ({ spawnUp, processOf }) => {
    const first = spawnUp();
    await fill(await ready(first));
    const redis = processOf("redis");
    first.child.kill("SIGSTOP");
    process.kill(redis.guardPid, "SIGKILL");
    first.child.kill("SIGKILL");
    await expectFilled(await ready(spawnUp()));
    expect(isAlive(redis.pid)).toBe(false);
  }),
  patienceMs,
);

test.concurrent(
  "a second up on the same directory is refused and names the first",
  inPlace(async ({ dir, spawnUp }) => {
    const first = spawnUp();
    const info = await ready(first);
    const second = spawnUp();
    expect((await second.ended).code).toBe(1);
    expect(second.errors()).toContain(`process ${info.pid} runs a stack on ${dir} already`);
    expect(second.output()).toBe("");
    expect(readStack(dir)).toEqual(info);
  }),
  patienceMs,
);

test.concurrent(
  "a service that is killed comes back on its port with its data",
  inPlace(async ({ spawnUp, processOf }) => {
    const up = spawnUp();
    const info = await ready(up);
    await fill(info);
    for (const name of ["redis", "clickhouse", "temporal"]) {
      const { pid } = processOf(name);
      process.kill(pid, "SIGKILL");
      await until(`${name} has a new process`, () => processOf(name)?.pid !== pid && isAlive(processOf(name)?.pid));
      await until(`${name} answers again`, async () => up.errors().toLowerCase().includes(`${name} answers again`));
    }
    await expectFilled(info);
    // A guard that dies does not leave its service to itself.
    const { pid, guardPid } = processOf("redis");
    process.kill(guardPid, "SIGKILL");
    await until("redis has a new guard", () => processOf("redis")?.guardPid !== guardPid);
    await until("redis answers again", () => up.errors().split("Redis answers again").length === 3);
    expect(isAlive(pid)).toBe(false);
    await expectFilled(info);
  }),
  patienceMs,
);

test.concurrent(
  "a service that goes on dying is given up with exit code 1, and the others are stopped",
  inPlace(async ({ dir, spawnUp, processOf }) => {
    const up = spawnUp();
    await ready(up);
    const seen = new Set<number>();
    await until("up gives up", () => {
      const record = processOf("redis");
      if (record !== undefined && !seen.has(record.pid) && isAlive(record.pid)) {
        seen.add(record.pid);
        process.kill(record.pid, "SIGKILL");
      }
      return up.child.exitCode !== null;
    });
    expect((await up.ended).code).toBe(1);
    expect(up.errors()).toMatch(/Redis died 6 times within a minute/);
    expect(pidsOf(processesOf(dir)).filter(isAlive)).toEqual([]);
  }),
  patienceMs,
);

test.concurrent(
  "in-process: the namespace has the search attributes, Redis the settings, and close may be called twice",
  inPlace(async ({ dir }) => {
    const stack = await startStack({ dir, appendFsync: "always" });
    try {
      await withTemporal(stack.info.temporal, async (client) => {
        const { customAttributes } = await client.connection.operatorService.listSearchAttributes({ namespace: "default" });
        expect(Object.keys(customAttributes ?? {})).toEqual(expect.arrayContaining(Object.keys(sagaSearchAttributes)));
      });
      const settings = await withRedis(`${stack.info.redis}/255`, (redis) =>
        redis.configGet(["appendonly", "appendfsync", "maxmemory-policy", "save", "bind"]),
      );
      expect(settings).toEqual({
        appendonly: "yes",
        appendfsync: "always",
        "maxmemory-policy": "noeviction",
        save: "",
        bind: "127.0.0.1",
      });
      expect(stack.processes().map(({ name }) => name)).toEqual(["redis", "clickhouse", "temporal"]);
    } finally {
      await Promise.all([stack.close(), stack.close()]);
    }
    expect(stack.processes().filter(({ pid }) => isAlive(pid))).toEqual([]);
  }),
  patienceMs,
);

test.concurrent(
  "two in one process on different directories have different ports",
  inPlace(async ({ dir }) => {
    const stacks = await Promise.all([startStack({ dir: join(dir, "a") }), startStack({ dir: join(dir, "b") })]);
    try {
      const addresses = stacks.flatMap(({ info }) => [info.redis, info.clickhouse, info.temporal, info.temporalUi]);
      expect(new Set(addresses).size).toBe(8);
    } finally {
      await Promise.all(stacks.map((stack) => stack.close()));
    }
  }),
  patienceMs,
);

test(
  "ports of last time that are taken by now are replaced, and half-written state files do no harm",
  inPlace(async ({ dir }) => {
    const first = await startStack({ dir });
    const taken = Number(new URL(first.info.clickhouse).port);
    await first.close();
    const other = createServer().listen(taken, "127.0.0.1");
    await once(other, "listening");
    try {
      const second = await startStack({ dir });
      await second.close();
      expect([second.info.redis, second.info.temporal]).toEqual([first.info.redis, first.info.temporal]);
      expect(second.info.clickhouse).not.toBe(first.info.clickhouse);
    } finally {
      other.close();
    }
    for (const name of ["stack.json", "ports.json", "processes.json", "up.lock"]) writeFileSync(join(dir, name), '{"pid":');
    expect(readStack(dir)).toBeUndefined();
    const third = await startStack({ dir });
    await third.close();
  }),
  patienceMs,
);

test.concurrent(
  "a service that cannot start tells why with the last lines of its log, and leaves nothing behind",
  inPlace(async ({ dir }) => {
    await expect(
      startStack({ dir: join(dir, "a") }, { env: { ...process.env, HEADRACE_REDIS_BIN: "/bin/false" } }),
    ).rejects.toMatchObject({ code: "config.environment" });
    const fake = join(dir, "fake-redis");
    writeFileSync(
      fake,
      '#!/bin/sh\n[ "$1" = --version ] && echo "Redis server v=7.4.0" && exit\necho "no, not today"; exit 3\n',
      {
        mode: 0o755,
      },
    );
    const failing = startStack({ dir: join(dir, "a") }, { env: { ...process.env, HEADRACE_REDIS_BIN: fake } });
    await expect(failing).rejects.toMatchObject({
      code: "stack.start",
      message: expect.stringMatching(/Redis ended at its start \(exit code 3\).*no, not today/s),
    });
    expect(pidsOf(processesOf(join(dir, "a"))).filter(isAlive)).toEqual([]);
    const stack = await startStack({ dir: join(dir, "a") });
    await stack.close();
  }),
  patienceMs,
);
