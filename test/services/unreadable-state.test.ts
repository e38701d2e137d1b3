import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { carts } from "../../pipelines/streams.ts";
import { keys, type Partition, partitionIndex, partitionsOf } from "../../src/bus/partition.ts";
import type { StateRecord } from "../../src/state/record.ts";
import { linesOf, type Operator, openOperator } from "../support/operator.ts";
import { redisClient } from "../support/redis.ts";

const worker = ["start", "--role", "worker", "--pipelines", "carts", "--json"];

/** What may have become of a state in Redis, by the name of its cart. */
const garbage: Readonly<Record<string, string | Buffer>> = {
  "half": '{"v":3,"at":1,"s":{"userId":"u',
  "bytes": Buffer.from([0xff, 0x00, 0xc3, 0x28, 0x80]),
  "empty": "",
  "null": "null",
  "array": "[]",
  "other-shape": '{"userId":"u","lines":[]}',
  "other-timers": '{"v":3,"at":1,"s":{},"t":{"idle":"soon"}}',
};
const damaged = Object.keys(garbage);

let operator: Operator;
let redis: Awaited<ReturnType<typeof redisClient>>;

beforeAll(async () => {
  operator = await openOperator();
  redis = await redisClient(operator.env["REDIS_URL"] as string);
  await operator.run(["migrate", "--apply"]);
}, 120_000);

afterAll(async () => {
  redis?.destroy();
  await operator?.stopAll();
});

const partitions = partitionsOf(carts.plan);
const fieldOf = (cartId: string) => {
  const partition = partitions[partitionIndex(cartId, partitions.length)] as Partition;
  return [keys.states(partition, "carts"), `cart\n${cartId}`] as const;
};
const stored = async (cartId: string) => String(await redis.hGet(...fieldOf(cartId)));
const overwrite = (cartId: string, state: string | Buffer) => redis.hSet(...fieldOf(cartId), state);
const quantityIn = async (cartId: string) => {
  const { s } = JSON.parse(await stored(cartId)) as StateRecord;
  return (s as { readonly lines: readonly { readonly quantity: number }[] }).lines.map(({ quantity }) => quantity);
};

const send = async (name: string, cartIds: readonly string[], event: object) => {
  const lines = cartIds.map((cartId) => {
    const { type, data } = { data: {}, ...event } as { readonly type: string; readonly data: object };
    return JSON.stringify({ id: `${name} ${cartId}`, type, time: new Date().toISOString(), data: { cartId, ...data } });
  });
  await operator.run(["send", "carts"], { input: lines.join("\n") });
};
const created = { type: "cart.created", data: { userId: "ada" } };
const added = { type: "cart.item_added", data: { sku: "lamp", quantity: 1, unitPriceCents: 700 } };

describe("a state that was overwritten in Redis", () => {
  it("makes dead letters of its key's events alone; put back, it is gone on from", async () => {
    const all = [...damaged, "good"];
    const first = await operator.start(worker);
    await send("create", all, created);
    await send("first", all, added);
    await operator.drained("carts");
    await first.stop();
    const kept = new Map(await Promise.all(all.map(async (cartId) => [cartId, await stored(cartId)] as const)));
    for (const [cartId, state] of Object.entries(garbage)) await overwrite(cartId, state);

    const next = await operator.start(worker);
    await send("second", all, added);
    await operator.drained("carts");
    expect(await operator.audit("carts")).toMatchObject({
      deadLettered: { "state-unreadable": damaged.length },
      inFlight: 0,
      lost: 0,
      balanced: true,
    });
    expect(await quantityIn("good")).toEqual([2]);
    const letters = await operator.deadLetters();
    for (const cartId of damaged) {
      const [letter] = letters.filter(({ error }) => error.includes(`'${cartId}'`));
      expect(letter?.error).toContain(`the state that stage 'cart' keeps for '${cartId}' cannot be read: `);
    }
    for (const [cartId, state] of Object.entries(garbage)) expect(await stored(cartId)).toBe(String(state));
    expect(next.process.exitCode).toBeNull();
    expect(next.said().match(/the events of a key are set aside/g)).toHaveLength(damaged.length);
    const asked = await operator.tryRun(["state", "get", "carts", "half"]);
    expect([asked.code, asked.stderr]).toEqual([1, expect.stringContaining("'half' cannot be read: it is not JSON")]);

    for (const cartId of damaged) await overwrite(cartId, kept.get(cartId) as string);
    await operator.run(["dlq", "replay", "--reason", "state-unreadable", "--apply"]);
    await operator.drained("carts");
    for (const cartId of damaged) expect(await quantityIn(cartId)).toEqual([2]);
    expect(await operator.deadLetters()).toEqual([]);
    const [row] = linesOf<{ quantity: string }>(
      (await operator.run(["sql", "--json", "SELECT sum(quantity) AS quantity FROM cart_events FINAL"])).stdout,
    );
    expect(Number(row?.quantity)).toBe(2 * all.length);
    await next.stop();
  }, 120_000);

  it("of a version that the code does not know stops the worker, which says so; put back, the next one goes on", async () => {
    const kept = await stored("good");
    await overwrite("good", JSON.stringify({ ...JSON.parse(kept), v: 99 }));
    const one = await operator.start(worker);
    await send("third", ["good", "half"], added);
    await vi.waitFor(() => expect(one.process.exitCode).not.toBeNull(), { timeout: 30_000, interval: 100 });
    expect(one.said()).toContain("the state that stage 'cart' keeps for 'good' is of version 99, and this code knows 3");
    expect(await operator.audit("carts")).toMatchObject({ deadLettered: { "state-unreadable": damaged.length }, lost: 0 });
    await overwrite("good", kept);
    const next = await operator.start(worker);
    await operator.drained("carts");
    expect([await quantityIn("good"), await quantityIn("half")]).toEqual([[3], [3]]);
    await next.stop();
  }, 120_000);

  it("with all others of its partition by something that is no hash keeps the partition waiting, which is told, and loses nothing", async () => {
    const [key] = fieldOf("good");
    await redis.rename(key, "aside");
    await redis.set(key, "garbage");
    const one = await operator.start(worker);
    await send("fourth", ["good"], added);
    await vi.waitFor(
      () => expect(one.said()).toMatch(/"partition":"carts\/\d\d".*the key '.*' is a string in Redis, and no hash/),
      { timeout: 30_000, interval: 50 },
    );
    expect(one.process.exitCode).toBeNull();
    const { stdout } = await operator.tryRun(["doctor", "--json"]);
    expect(stdout).toContain(`the key '${key}' is a string in Redis, and no hash`);
    await redis.rename("aside", key);
    await operator.drained("carts");
    expect(await quantityIn("good")).toEqual([4]);
    await one.stop();
  }, 120_000);
});

it("the lease of a partition, overwritten under its owner, is made anew: nothing stands still, nothing is lost, and it is told", async () => {
  const one = await operator.start(worker);
  await operator.drained("carts");
  const before = await operator.audit("carts");
  for (const partition of partitions) await redis.hSet(keys.lease(partition, "carts"), { epoch: "garbage", tenure: "garbage" });
  const carts = Array.from({ length: 40 }, (_, n) => `of-a-lease-${n}`);
  await send("lease", carts, created);
  await operator.drained("carts");
  expect(await operator.audit("carts")).toMatchObject({ balanced: true, lost: 0, inFlight: 0, vanished: before.vanished });
  expect(one.process.exitCode).toBeNull();
  expect(one.said().match(/the record of a lease could not be read/g)).toHaveLength(partitions.length);
  await one.stop();
}, 120_000);
