import { expect, it } from "vitest";
import { senderLimit } from "../../../src/collector/sender-limit.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { RetryableError } from "../../../src/core/errors.ts";
import { createMemoryBuckets } from "../../../src/limit/memory.ts";
import { defaultDoor } from "../../../src/plan/door.ts";

const plan = { ...defaultDoor, rateLimit: { perSecond: 1e-6, burst: 3 } };

it.each([
  ["one address", ["203.0.113.7", "203.0.113.7"], 1],
  ["two addresses", ["203.0.113.7", "203.0.113.8"], 2],
  ["an address, and the same within IPv6", ["203.0.113.7", "::ffff:203.0.113.7"], 1],
  ["two addresses of one IPv6 network", ["2001:db8:1:2::7", "2001:db8:1:2:3:4:5:6"], 1],
  ["two of one network with a zone", ["fe80::1%eth0", "fe80::2%eth0"], 1],
  ["two IPv6 networks", ["2001:db8:1:2::7", "2001:db8:1:3::7"], 2],
  ["networks whose zeros are left out", ["2001:db8::7", "2001:db8:0:0:1::7"], 1],
])("counts %s as so many senders", async (_, addresses, senders) => {
  const limit = senderLimit("clicks", plan, createMemoryBuckets(systemClock));
  let granted = 0;
  for (const address of addresses) granted += (await limit(address, 3))?.granted ?? 0;
  expect(granted).toBe(3 * senders);
});

it("holds for each stream by itself", async () => {
  const buckets = createMemoryBuckets(systemClock);
  await senderLimit("clicks", plan, buckets)("::1", 3);
  expect((await senderLimit("hits", plan, buckets)("::1", 3))?.granted).toBe(3);
});

it("lets through what it cannot ask about", async () => {
  const away = { take: () => Promise.reject(new RetryableError("service.unreachable", "away")), close: async () => {} };
  expect(await senderLimit("clicks", plan, away)("::1", 3)).toBeUndefined();
});
