import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Headrace, startHeadraceRaw } from "../support/headrace.ts";
import { type Operator, openOperator } from "../support/operator.ts";
import { redisClient } from "../support/redis.ts";

const pipeline = "login-analytics";
/** Eight of `logins`, and the adopted one. */
const partitions = 9;
const leaseTtlMs = 10_000;
const logs = Array.from({ length: 8 }, (_, index) => `hr:{logins:0${index}}`);
const worker = ["start", "--role", "worker", "--pipelines", pipeline, "--json"];

let operator: Operator;
let redis: Awaited<ReturnType<typeof redisClient>>;

beforeAll(async () => {
  operator = await openOperator();
  redis = await redisClient(operator.env["REDIS_URL"] as string);
  await operator.run(["migrate", "--apply"]);
}, 120_000);

afterAll(async () => {
  await operator.stopAll();
  redis.destroy();
}, 60_000);

describe("workers", () => {
  let first: Headrace;
  let second: Headrace;

  it("say who they are when they are ready", async () => {
    first = await operator.start(worker);
    second = await operator.start(worker);
    for (const one of [first, second]) {
      expect(one.ready).toEqual({ ready: true, roles: ["worker"], instance: expect.any(String), pid: one.process.pid });
    }
    expect(first.ready["instance"]).not.toBe(second.ready["instance"]);
  });

  it("share the partitions so that each has one owner, and read every event once", async () => {
    const names = [first.ready["instance"], second.ready["instance"]];
    const shares = async () => {
      const held = await owners();
      return names.map((name) => held.filter((owner) => owner === name).length);
    };
    await vi.waitFor(async () => expect(await shares()).toEqual([5, 4]), { timeout: 20_000, interval: 20 });
    const lines = await operator.lag(pipeline);
    expect(lines).toHaveLength(partitions);
    expect(lines.filter(({ owner }) => !names.includes(owner))).toEqual([]);

    await send(2_000, "both");
    await operator.drained(pipeline);
    expect(await operator.audit(pipeline)).toMatchObject({ read: 2_000, delivered: 2_000, inFlight: 0, balanced: true });
    expect(await rows()).toBe(2_000);
  });

  it("take over what a killed one held, no later than two seconds after its leases have run out", async () => {
    const before = await operator.lag(pipeline);
    const owner = before.find(({ partition }) => partition === 0)?.owner;
    const [killed, left] = owner === first.ready["instance"] ? [first, second] : [second, first];

    await killed.kill();
    await vi.waitFor(async () => expect(new Set(await owners())).toEqual(new Set([left.ready["instance"]])), {
      timeout: leaseTtlMs + 2_000,
      interval: 20,
    });

    const lines = await operator.lag(pipeline);
    expect(lines.map(({ owner: one }) => one)).toEqual(Array.from({ length: partitions }, () => left.ready["instance"]));
    // Only what was the killed one's has changed hands.
    expect(lines.map(({ epoch }) => epoch)).toEqual(
      before.map((line) => line.epoch + Number(line.owner === killed.ready["instance"])),
    );
    await send(500, "left");
    await operator.drained(pipeline);
    expect(await operator.audit(pipeline)).toMatchObject({ read: 2_500, delivered: 2_500, inFlight: 0, balanced: true });
    second = left;
  });

  it("settle what they have read on SIGTERM, give their leases back at once, and exit with 0", async () => {
    const sending = send(20_000, "drain");
    await vi.waitFor(async () => expect(await pending()).toBeGreaterThan(0), { timeout: 30_000, interval: 2 });
    await second.stop();
    expect(second.process.exitCode).toBe(0);
    await sending;

    const lines = await operator.lag(pipeline);
    expect(lines.filter(({ owner, pending: entries }) => owner !== null || entries > 0)).toEqual([]);
    const audit = await operator.audit(pipeline);
    expect(audit).toMatchObject({ inFlight: 0, balanced: true });
    expect(audit.read).toBeGreaterThan(2_500);

    // Nobody has to wait for a lease to run out: the next one has them all well before that.
    const next = await operator.start(worker);
    await vi.waitFor(async () => expect(new Set(await owners())).toEqual(new Set([next.ready["instance"]])), {
      timeout: leaseTtlMs / 2,
      interval: 20,
    });
    await operator.drained(pipeline);
    expect(await rows()).toBe(22_500);
    expect(await operator.audit(pipeline)).toMatchObject({ read: 22_500, delivered: 22_500, inFlight: 0, balanced: true });
    first = next;
  });

  it("exit with 130 on SIGINT, in the same order", async () => {
    first.process.kill("SIGINT");
    await once(first.process, "exit");
    expect(first.process.exitCode).toBe(130);
    expect((await operator.lag(pipeline)).filter(({ owner }) => owner !== null)).toEqual([]);
  });

  it("end when they are stopped while they start", async () => {
    for (const role of ["worker", "saga"]) {
      const child = startHeadraceRaw(["start", "--role", role, "--json"], { env: operator.env });
      const exit = once(child, "exit");
      // It has reached Redis, and is not ready yet.
      await vi.waitFor(async () => expect(await isConnected()).toBe(true), { timeout: 20_000, interval: 5 });
      child.kill("SIGTERM");
      expect(await exit).toEqual([0, null]);
    }
  });
});

/** Whether a process of Headrace is connected to our database. */
async function isConnected(): Promise<boolean> {
  const database = (operator.env["REDIS_URL"] as string).split("/").at(-1);
  const clients = String(await redis.sendCommand(["CLIENT", "LIST"])).split("\n");
  return clients.some((line) => line.includes(" name=headrace ") && line.includes(` db=${database} `));
}

const send = (count: number, prefix: string) =>
  operator.run(["send", "logins"], {
    input: Array.from({ length: count }, (_, n) =>
      JSON.stringify({ id: `${prefix}-${n}`, type: "login.failed", data: { userId: `user-${n % 300}`, ip: "203.0.113.7" } }),
    ).join("\n"),
  });

/** Who holds each partition, as Redis has it: a look that takes no time. */
const owners = () =>
  Promise.all([...logs, "hr:{app:logins}"].map((prefix) => redis.hGet(`${prefix}:lease:${pipeline}`, "owner")));

/** Entries of `logins` that were given to a worker and not settled. */
async function pending(): Promise<number> {
  const counts = await Promise.all(logs.map((prefix) => redis.xPending(`${prefix}:s`, pipeline)));
  return counts.reduce((sum, { pending: entries }) => sum + entries, 0);
}

const rows = async () =>
  (await operator.sql<{ rows: number }>("SELECT toUInt32(count()) AS rows FROM login_events FINAL"))[0]?.rows;
