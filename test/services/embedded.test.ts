import { type CreateWorkerOptions, createSagaWorker, createWorker } from "headrace/host";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createActivities } from "../../activities/index.ts";
import { loginFailed } from "../../pipelines/events.ts";
import { app } from "../../pipelines/index.ts";
import { logins } from "../../pipelines/streams.ts";
import { openProducer } from "../../src/open-producer.ts";
import { logBook } from "../support/log-book.ts";
import { linesOf } from "../support/operator.ts";
import { recordedTelemetry, sumOf } from "../support/recorded-telemetry.ts";
import { openShopNamespace, type ShopNamespace } from "../support/shop-namespace.ts";

let shop: ShopNamespace;
let services: Required<Pick<CreateWorkerOptions, "redis" | "clickhouse" | "temporal">>;
beforeAll(async () => {
  shop = await openShopNamespace();
  const { REDIS_URL, CLICKHOUSE_URL, CLICKHOUSE_DATABASE, TEMPORAL_ADDRESS } = shop.operator.env as Readonly<
    Record<string, string>
  >;
  services = {
    redis: REDIS_URL as string,
    clickhouse: { url: CLICKHOUSE_URL as string, database: CLICKHOUSE_DATABASE as string },
    temporal: { connection: { address: TEMPORAL_ADDRESS as string }, namespace: shop.namespace },
  };
}, 120_000);
afterAll(() => shop.close(), 60_000);

const processes = async () =>
  linesOf<{ readonly instance: string; readonly role: string }>((await shop.operator.run(["ps", "--json"])).stdout);

describe("a worker inside another program", () => {
  it("reads, writes and settles what is sent, and is gone when it is closed", async () => {
    const { redis, clickhouse } = services;
    const { telemetry, told } = recordedTelemetry();
    const worker = createWorker({ app, pipelines: ["login-analytics"], redis, clickhouse, telemetry });
    await worker.ready;
    expect(await processes()).toMatchObject([{ role: "worker" }]);
    await using producer = await openedProducer(redis as string);
    const login = (n: number) => loginFailed({ userId: `user-${n}`, ip: "203.0.113.7" });
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    await producer.send(login(0), { traceparent });
    for (let n = 1; n < 500; n++) await producer.send(login(n));
    await producer.flush();
    await shop.operator.drained("login-analytics");
    await worker.close();
    await worker.close();
    await expect(worker.ended).resolves.toBeUndefined();
    expect(await processes()).toEqual([]);
    expect(await shop.operator.audit("login-analytics")).toMatchObject({
      read: 500,
      delivered: 500,
      inFlight: 0,
      balanced: true,
    });
    expect(await shop.operator.sql("SELECT toString(count()) AS rows FROM login_events FINAL")).toEqual([{ rows: "500" }]);
    for (const member of ["read", "processed", "committed"] as const)
      expect(sumOf<{ readonly events: number }>(told[member], ({ events }) => events)).toBe(500);
    expect(sumOf(told.committed, ({ counts }) => counts["delivered"] ?? 0)).toBe(500);
    expect(sumOf(told.confirmed, ({ rows }) => rows)).toBeGreaterThanOrEqual(500);
    for (const { lagMs, bytes } of told.committed) expect([lagMs, bytes].every((one) => one > 0)).toBe(true);
    // Eight partitions, and the adopted one.
    expect(told.lease.map(({ kind }) => kind).sort()).toEqual([...Array(9).fill("released"), ...Array(9).fill("taken")]);
    expect(told.traced).toEqual([expect.objectContaining({ traceparent, pipeline: "login-analytics" })]);
  });

  it("gives its partitions back when it has drained: the next one has them at once", async () => {
    const stop = new AbortController();
    const { redis, clickhouse } = services;
    const { logger, lines } = logBook();
    // A listener that fails hurts nobody.
    const telemetry = {
      lease: () => {
        throw new Error("no room");
      },
      committed: (async () => Promise.reject(new Error("away"))) as unknown as () => void,
    };
    const first = createWorker({ app, pipelines: ["login-analytics"], redis, clickhouse, signal: stop.signal });
    await first.ready;
    stop.abort();
    await first.drain();
    const second = createWorker({ app, pipelines: ["login-analytics"], redis, clickhouse, telemetry, logger });
    await second.ready;
    await using producer = await openedProducer(redis as string);
    await producer.send(loginFailed({ userId: "ada", ip: "203.0.113.7" }));
    await producer.flush();
    await shop.operator.drained("login-analytics", 8_000);
    await Promise.all([first.close(), second.close()]);
    await expect(second.ended).resolves.toBeUndefined();
    expect(lines.filter((line) => line.includes("telemetry has failed"))).toHaveLength(2);
  });

  it.each<[string, Partial<CreateWorkerOptions>, object]>([
    [
      "an option is missing",
      { clickhouse: undefined as never },
      { code: "config.invalid", message: expect.stringContaining("'clickhouse' is not given") },
    ],
    [
      "there is no such pipeline",
      { pipelines: ["nothing"] },
      { code: "usage", hint: expect.stringContaining("login-analytics") },
    ],
    ["its lease is shorter than anyone could renew it", { leaseMs: 5 }, { code: "usage", message: "leaseMs cannot be 5 ms" }],
    ["Redis does not answer", { redis: "redis://127.0.0.1:1" }, { code: "service.unreachable" }],
    ["ClickHouse does not answer", { clickhouse: "http://127.0.0.1:1" }, { code: "service.unreachable" }],
    ["tables are missing", { clickhouse: { url: "", database: "nothing_here" } }, { code: "clickhouse.schema" }],
  ])("does not begin where %s, says why, and leaves nothing behind", async (_, wrong, refusal) => {
    const { redis, clickhouse } = services;
    const options = { app, pipelines: ["login-analytics"], redis, clickhouse, ...wrong };
    const url = (clickhouse as { readonly url: string }).url;
    if (typeof options.clickhouse === "object") options.clickhouse = { ...options.clickhouse, url };
    const { logger, lines } = logBook();
    const worker = createWorker({ ...options, logger });
    await expect(worker.ready).rejects.toMatchObject(refusal);
    await expect(worker.ended).rejects.toMatchObject(refusal);
    await worker.close();
    expect(lines.filter((line) => line.startsWith("error: "))).toHaveLength(1);
    expect(await processes()).toEqual([]);
  });
});

describe("a saga worker inside another program", () => {
  it("carries out what its pipelines start", async () => {
    const token = "a-secret-of-both";
    await shop.operator.start(["start", "--role", "participants", "--json"], { env: { HEADRACE_PARTICIPANTS_TOKEN: token } });
    const { telemetry, told } = recordedTelemetry();
    const worker = createWorker({ app, pipelines: ["carts", "orders"], ...services, telemetry });
    const sagas = createSagaWorker({
      app,
      workflowsPath: "workflows/index.ts",
      createActivities,
      participantsToken: token,
      ...services,
    });
    await Promise.all([worker.ready, sagas.ready]);
    const { workflowId, traceparent } = await shop.press("tok_good");
    await expect
      .poll(
        () =>
          shop.temporal.workflow
            .getHandle(workflowId)
            .describe()
            .then(
              ({ status }) => status.name,
              () => "none",
            ),
        { timeout: 30_000 },
      )
      .toBe("COMPLETED");
    await Promise.all([worker.close(), sagas.close()]);
    // From the producer to the rows of the cart, and by way of the saga to that of the order.
    for (const pipeline of ["carts", "orders"])
      expect(told.traced).toContainEqual(expect.objectContaining({ traceparent, pipeline }));
    await expect(sagas.ended).resolves.toBeUndefined();
    expect((await processes()).map(({ role }) => role)).toEqual(["participants"]);
  }, 120_000);
});

async function openedProducer(redisUrl: string) {
  const producer = await openProducer(logins, { redisUrl });
  return Object.assign(producer, { [Symbol.asyncDispose]: () => producer.close() });
}
