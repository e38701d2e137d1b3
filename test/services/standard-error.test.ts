import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, openSync } from "node:fs";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { FaultProxy } from "../chaos/proxy.ts";
import { notTried } from "../support/not-tried.ts";
import { type Operator, openOperator } from "../support/operator.ts";

const bin = fileURLToPath(new URL("../../bin/headrace.js", import.meta.url));
const full = "/dev/full";
const pipeline = "login-analytics";
const login = (n: number) =>
  JSON.stringify({ id: `login ${n}`, type: "login.failed", data: { userId: `user-${n}`, ip: "203.0.113.7" } });

let operator: Operator;
const started: ChildProcess[] = [];

beforeAll(async () => {
  operator = await openOperator();
  await operator.run(["migrate", "--apply"]);
}, 60_000);

afterAll(async () => {
  for (const child of started) child.kill("SIGKILL");
  await operator.stopAll();
});

const workerOnly = ["--role", "worker", "--pipelines", pipeline];

interface Streams {
  readonly stdout?: "pipe" | number;
  readonly stderr?: "pipe" | number;
  readonly env?: Readonly<Record<string, string>>;
}

function begin(args: readonly string[], { stdout = "pipe", stderr = "pipe", env }: Streams): ChildProcess {
  const child = spawn(process.execPath, [bin, ...args], {
    env: { ...process.env, ...operator.env, ...env },
    stdio: ["pipe", stdout, stderr],
  });
  started.push(child);
  return child;
}

async function run(args: readonly string[], streams: Streams, input = "") {
  const child = begin(args, streams);
  child.stdin?.end(input);
  const [[code], out, err] = await Promise.all([
    once(child, "exit"),
    child.stdout ? text(child.stdout) : "",
    child.stderr ? text(child.stderr) : "",
  ]);
  return { code, out, err };
}

/** A worker and sagas that cannot reach ClickHouse for a while have something to log, and work on once they can. */
async function outlives(
  args: readonly string[],
  streams: Streams,
  hear: (child: ChildProcess) => void = () => {},
): Promise<void> {
  const target = new URL(operator.env["CLICKHOUSE_URL"] as string);
  const proxy = await FaultProxy.listen(Number(target.port));
  target.port = String(proxy.port);
  const worker = begin(["start", "--json", ...args], { ...streams, env: { CLICKHOUSE_URL: target.href } });
  const lines = createInterface({ input: worker.stdout as NodeJS.ReadableStream });
  await once(lines, "line");
  hear(worker);
  await operator.drained(pipeline);
  const { delivered } = await operator.audit(pipeline);
  proxy.cutOff();
  await operator.run(["send", "logins"], { input: [1, 2].map((n) => login(delivered + n)).join("\n") });
  await vi.waitFor(() => expect(proxy.refused).toBeGreaterThan(3), { timeout: 20_000 });
  proxy.heal();
  await vi.waitFor(async () => expect((await operator.audit(pipeline)).delivered).toBe(delivered + 2), { timeout: 40_000 });
  expect([worker.exitCode, worker.signalCode]).toEqual([null, null]);
  const ended = once(worker, "exit");
  worker.kill("SIGTERM");
  expect(await ended).toEqual([0, null]);
  await proxy.close();
}

const hasFullDisk = existsSync(full);
if (!hasFullDisk) notTried("a full disk behind standard error", `there is no ${full}`);

describe.runIf(hasFullDisk)("where standard error is a full disk", () => {
  const onFullDisk = () => openSync(full, "w");

  it("send stores every event, and says what became of the lines", async () => {
    const lines = Array.from({ length: 3_000 }, (_, n) => (n % 10 === 3 ? "no event" : login(n)));
    const { code, out } = await run(["send", "logins", "--json"], { stderr: onFullDisk() }, lines.join("\n"));
    expect(JSON.parse(out)).toMatchObject({ sent: 2_700, invalid: 300 });
    expect(code).toBe(1);
  });

  it("what is refused has its exit code", async () => {
    expect((await run(["send", "no-such-stream"], { stderr: onFullDisk() })).code).toBe(2);
    expect((await run(["strat"], { stderr: onFullDisk() })).code).toBe(2);
  });

  it("workers, sagas and participants go on", () => outlives([], { stderr: onFullDisk() }), 120_000);

  it("an answer that cannot be written is a failure, and is told", async () => {
    const { code, err } = await run(["audit", "--json"], { stdout: onFullDisk() });
    expect(err).toMatch(/^error: standard output cannot be written: .*ENOSPC/m);
    expect(code).toBe(1);
  });
});

describe("where nobody reads standard error any more", () => {
  it("a worker goes on", () => outlives(workerOnly, {}, (child) => child.stderr?.destroy()), 90_000);
});
