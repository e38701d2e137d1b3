import { expect, it } from "vitest";
import { keys } from "../../src/bus/partition.ts";
import { openBusOnRedis } from "../support/bus-on-redis.ts";
import { freshPartition } from "../support/bus-twins.ts";

it("a lease that seems to end in an hour, since the clock of Redis was put back, ends within its own time", async () => {
  const { bus, redis, close } = await openBusOnRedis();
  const partition = freshPartition();
  await bus.acquire(partition, "pipe", { owner: "w1", ttlMs: 10_000 });
  const lease = keys.lease(partition, "pipe");
  await redis.hSet(lease, "until", String(Date.now() + 3_600_000));
  const taken = await bus.acquire(partition, "pipe", { owner: "w2", ttlMs: 60_000 });
  expect(taken).toMatchObject({ kind: "taken", owner: "w1" });
  expect(taken.kind === "taken" && taken.leftMs).toBeLessThanOrEqual(10_000);
  // Written down: another look must not put it off again.
  expect(Number(await redis.hGet(lease, "until"))).toBeLessThan(Date.now() + 60_000);
  await close();
});
