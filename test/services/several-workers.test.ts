import { hostname } from "node:os";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/log.ts";
import type { Registry } from "../../src/registry/port.ts";
import { openRedisRegistry } from "../../src/registry/redis/registry.ts";
import type { Headrace } from "../support/headrace.ts";
import { linesOf, type Operator, openOperator } from "../support/operator.ts";

/** A line of `headrace ps --json`. */
interface PsLine {
  readonly instance: string;
  readonly role: string;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly since: string;
  readonly partitions: readonly string[];
  readonly cpu: number;
  readonly rssBytes: number;
  readonly state: "running" | "draining";
}

const leaseTtlMs = 5_000;
const worker = ["start", "--role", "worker", "--lease", `${leaseTtlMs}ms`, "--pipelines", "login-analytics", "--json"];
const all = ["app-logins", ...Array.from({ length: 8 }, (_, index) => `logins/0${index}`)].toSorted();

let operator: Operator;
let registry: Registry;
beforeAll(async () => {
  operator = await openOperator();
  registry = await openRedisRegistry({ url: operator.env["REDIS_URL"] as string, clock: systemClock, logger: silentLogger });
  await operator.run(["migrate", "--apply"]);
}, 120_000);
afterAll(async () => {
  await operator.stopAll();
  await registry.close();
}, 60_000);

describe("the processes of an application", () => {
  let first: Headrace;
  let second: Headrace;

  it("are none before one is started", async () => {
    expect(await operator.run(["ps", "--json"])).toMatchObject({ stdout: "" });
    expect((await operator.run(["ps"])).stderr).toContain("headrace start");
  });

  it("are there from their ready line on, with all that is known of them", async () => {
    const before = Date.now();
    first = await operator.start(worker);
    const [line, ...rest] = await ps();
    expect(rest).toEqual([]);
    expect(line).toMatchObject({
      instance: first.ready["instance"],
      role: "worker",
      host: hostname(),
      pid: first.process.pid,
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      state: "running",
    });
    expect(Date.parse(line?.since ?? "")).toBeGreaterThan(before - 1_000);
    expect(line?.rssBytes).toBeGreaterThan(10e6);
    await holds(first, 9, 5_000);
    expect((await ps())[0]?.partitions).toEqual(all);
  });

  it("give a newcomer its share within a few seconds, and leave it at that", async () => {
    second = await operator.start(worker);
    await holds(second, 4, 3_000);
    await holds(first, 5, 3_000);
    const shares = await ps();
    expect(shares.flatMap(({ partitions }) => partitions).toSorted()).toEqual(all);
    const leases = await owners();
    expect(leases).toEqual(
      Object.fromEntries(shares.flatMap(({ instance, partitions }) => partitions.map((name) => [name, instance]))),
    );
    await operator.run(["send", "logins"], {
      input: Array.from({ length: 1_000 }, (_, n) =>
        JSON.stringify({ id: `${n}`, type: "login.failed", data: { userId: `user-${n}`, ip: "203.0.113.7" } }),
      ).join("\n"),
    });
    await operator.drained("login-analytics");
    expect(await owners()).toEqual(leases);
  });

  it("are a table for people", async () => {
    const { stdout } = await operator.run(["ps"]);
    expect(stdout).toMatch(/instance +role +host +pid/);
    expect(stdout).toContain("login-analytics 5/9");
    expect(stdout).toContain("login-analytics 4/9");
  });

  it("vanish when they are killed, and leave what they held to the others within two seconds more than a lease lives", async () => {
    await first.kill();
    const killedAt = Date.now();
    await holds(second, 9, leaseTtlMs + 2_000);
    expect(Date.now() - killedAt).toBeLessThan(leaseTtlMs + 2_000);
    expect(new Set(Object.values(await owners()))).toEqual(new Set([second.ready["instance"]]));
    expect((await ps()).map(({ instance }) => instance)).toEqual([second.ready["instance"]]);
  });

  it("say all their roles on one line", async () => {
    const both = await operator.start(["start", "--json"]);
    const line = (await ps()).find(({ instance }) => instance === both.ready["instance"]);
    expect(line?.role).toBe("worker,saga,participants");
    // Of login-analytics its half, and alone with the others.
    await holds(both, 4, 5_000);
    await both.stop();
    expect((await ps()).map(({ instance }) => instance)).toEqual([second.ready["instance"]]);
    await holds(second, 9, 3_000);
  }, 120_000);

  it("are gone at once when they end in order", async () => {
    await second.stop();
    expect(await ps()).toEqual([]);
  });
});

const ps = async () => linesOf<PsLine>((await operator.run(["ps", "--json"])).stdout);

/** Until the process holds so many partitions of login-analytics. Asked of Redis itself: a process for each look would slow down what is waited for. */
const holds = (process: Headrace, count: number, withinMs: number) =>
  vi.waitFor(
    async () => {
      const found = (await registry.live()).find(({ instance }) => instance === process.ready["instance"]);
      expect(found?.pipelines["login-analytics"]?.held).toHaveLength(count);
    },
    { timeout: withinMs, interval: 20 },
  );

/** Who holds each partition of login-analytics, by `headrace lag`. */
const owners = async () =>
  Object.fromEntries(
    (await operator.lag("login-analytics")).map(({ stream, partition, owner }) => [
      stream === "logins" ? `logins/${String(partition).padStart(2, "0")}` : "app-logins",
      owner,
    ]),
  );
