import { MockActivityEnvironment } from "@temporalio/testing";
import { describe, expect, it } from "vitest";
import { announcementActivities } from "../../../activities/announcements.ts";
import { loginFailed, orderRefused } from "../../../pipelines/events.ts";
import { logins, orders } from "../../../pipelines/streams.ts";
import { MemoryBus } from "../../../src/bus/memory/bus.ts";
import { partitionsOf } from "../../../src/bus/partition.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { createAnnouncer } from "../../../src/host/announcer.ts";
import type { AppPlan } from "../../../src/plan/plan.ts";
import { framesOf } from "../../support/frames-of.ts";

/** What announces on the orders alone, and what has come of it. */
function openAnnouncer() {
  const bus = new MemoryBus(systemClock);
  const app = { streams: [orders.plan] } as unknown as AppPlan;
  const { announce, flush } = createAnnouncer({ app, instance: "test", logger: silentLogger }, bus);
  const stored = async () => (await Promise.all(partitionsOf(orders.plan).map((one) => framesOf(bus, one)))).flat(2);
  return { announce, flush, stored };
}

describe("what activities announce", () => {
  it("is one event, of one id and one time, however often the activity is tried", async () => {
    const { announce, stored } = openAnnouncer();
    const { announceOrder } = announcementActivities({ announce });
    const order = { orderId: "o", checkoutId: "k", cartId: "c", userId: "u", totalCents: 7 };
    for (const attempt of [1, 2]) {
      const environment = new MockActivityEnvironment({
        attempt,
        scheduledTimestampMs: 1_795_600_000_000,
        currentAttemptScheduledTimestampMs: 1_795_600_000_000 + attempt,
      });
      await environment.run(announceOrder, "key", order);
    }
    const [first, second, ...more] = await stored();
    expect(first).toMatchObject({ type: "order.placed", time: 1_795_600_000_000, source: "sagas", data: order });
    expect(second).toEqual(first);
    expect(more).toEqual([]);
  });

  it("takes the time that it says itself", async () => {
    const { announce, stored } = openAnnouncer();
    const refusal = { orderId: "o", checkoutId: "k", cartId: "c", userId: "u", reason: "OutOfStock" };
    await announce(orders, { id: "key", ...orderRefused(refusal, { time: new Date(5) }) });
    expect(await stored()).toMatchObject([{ type: "order.refused", time: 5 }]);
  });

  it("is refused on a stream that the application does not use, and by a name in the place of a stream, with the way out", async () => {
    const { announce, stored } = openAnnouncer();
    await expect(
      announce(logins, { id: "i", ...loginFailed({ userId: "u", ip: "203.0.113.7" }), time: new Date() }),
    ).rejects.toMatchObject({
      name: "ConfigError",
      message: "the application uses no stream 'logins'",
    });
    await expect(announce("orders" as never, { id: "i", type: "order.placed", data: {} } as never)).rejects.toMatchObject({
      name: "ConfigError",
      hint: expect.stringContaining("announce(orders,"),
    });
    expect(await stored()).toEqual([]);
  });
});
