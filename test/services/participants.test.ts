import { ApplicationFailure } from "@temporalio/common";
import { MockActivityEnvironment } from "@temporalio/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Activities, createActivities } from "../../activities/index.ts";
import { redisClient } from "../support/redis.ts";
import { redisUrl, unique } from "../support/services.ts";

/** Every verb of a participant stands three things: coming twice, an undo of what never came, and a do behind its undo. */
describe("the participants", () => {
  let redis: Awaited<ReturnType<typeof redisClient>>;
  let activities: Activities;
  const announced: { readonly id: string; readonly type: string; readonly time: Date }[] = [];

  beforeAll(async () => {
    redis = await redisClient(await redisUrl());
    activities = createActivities({ redis, announce: async (_, event) => void announced.push(event) });
  });
  afterAll(() => redis.destroy());

  const refusalOf = async (call: Promise<unknown>): Promise<string | null | undefined> => {
    const error = await call.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    return error instanceof ApplicationFailure && error.nonRetryable ? error.type : undefined;
  };
  const available = async (sku: string) => Number(await redis.hGet("shop:{stock}:available", sku));

  describe("stock", () => {
    it("is held once, however often it is asked for, and comes back once", async () => {
      const [key, sku] = [unique(), unique("sku-")];
      const lines = [
        { sku, quantity: 2 },
        { sku, quantity: 3 },
      ];
      await activities.reserveStock(key, lines);
      await activities.reserveStock(key, lines);
      expect(await available(sku)).toBe(999_995);
      await activities.releaseStock(key);
      await activities.releaseStock(key);
      expect(await available(sku)).toBe(1_000_000);
    });

    it("is held for all lines or for none", async () => {
      const sku = unique("sku-");
      const lines = [
        { sku, quantity: 1 },
        { sku: "sold-out", quantity: 1 },
      ];
      expect(await refusalOf(activities.reserveStock(unique(), lines))).toBe("OutOfStock");
      expect(await available(sku)).toBe(1_000_000);
    });

    it("refuses more than there is, and an empty cart", async () => {
      expect(await refusalOf(activities.reserveStock(unique(), [{ sku: unique("sku-"), quantity: 1_000_001 }]))).toBe(
        "OutOfStock",
      );
      expect(await refusalOf(activities.reserveStock(unique(), []))).toBe("CartEmpty");
    });

    it("refuses a do that comes behind its undo", async () => {
      const key = unique();
      await activities.releaseStock(key);
      expect(await refusalOf(activities.reserveStock(key, [{ sku: unique("sku-"), quantity: 1 }]))).toBe("Superseded");
    });

    it("does not come back once it is sold", async () => {
      const [key, sku] = [unique(), unique("sku-")];
      await activities.reserveStock(key, [{ sku, quantity: 4 }]);
      await activities.sellStock(key);
      await activities.sellStock(key);
      await activities.releaseStock(key);
      expect(await available(sku)).toBe(999_996);
      await expect(activities.sellStock(unique())).rejects.toThrow("no stock is held");
    });
  });

  describe("payments", () => {
    const stateOf = (key: string) => redis.hGet("shop:{payments}", key);
    const pay = (key: string, token: string) => activities.authorisePayment(key, { token, cents: 500 });

    it("are authorised, captured and voided once", async () => {
      const [captured, voided] = [unique(), unique()];
      await pay(captured, "tok");
      await pay(captured, "tok");
      await activities.capturePayment(captured);
      await activities.capturePayment(captured);
      expect(await stateOf(captured)).toBe("captured|500");
      await pay(voided, "tok");
      await activities.voidPayment(voided);
      await activities.voidPayment(voided);
      expect(await stateOf(voided)).toBe("voided|500");
      await expect(activities.capturePayment(voided)).rejects.toThrow("is voided and cannot be captured");
      await expect(activities.voidPayment(captured)).rejects.toThrow("is captured and cannot be voided");
    });

    it("decline a card that is declined, and leave nothing behind", async () => {
      const key = unique();
      expect(await refusalOf(pay(key, "tok_declined"))).toBe("PaymentDeclined");
      expect(await stateOf(key)).toBeNull();
      await activities.voidPayment(key);
      expect(await refusalOf(pay(key, "tok"))).toBe("Superseded");
    });

    it("charge once where the first reply is lost", async () => {
      const key = unique();
      await expect(pay(key, "tok_lost_reply")).rejects.toThrow("before the reply came");
      await pay(key, "tok_lost_reply");
      expect(await stateOf(key)).toBe("authorised|500");
    });
  });

  describe("orders", () => {
    const request = () => ({ checkoutId: unique(), cartId: "c", userId: "u", totalCents: 7 });

    it("are placed once, and the same checkout has the same number", async () => {
      const [key, order] = [unique(), request()];
      const first = await activities.placeOrder(key, order);
      expect(await activities.placeOrder(key, order)).toEqual(first);
      expect(await redis.hExists("shop:{orders}", first.orderId)).toBe(1);
    });

    it("can be cancelled before and after they came", async () => {
      const [key, order] = [unique(), request()];
      const { orderId } = await activities.placeOrder(key, order);
      await activities.cancelOrder(key);
      await activities.cancelOrder(key);
      expect(await redis.hExists("shop:{orders}", orderId)).toBe(0);
      expect(await refusalOf(activities.placeOrder(key, order))).toBe("Superseded");
    });
  });

  it("announce one event, of one id and one time, however often an announcement is tried", async () => {
    const key = unique();
    const order = { orderId: "o", checkoutId: "k", cartId: "c", userId: "u", totalCents: 7 };
    for (const attempt of [1, 2]) {
      const environment = new MockActivityEnvironment({
        attempt,
        scheduledTimestampMs: 1_795_600_000_000,
        currentAttemptScheduledTimestampMs: 1_795_600_000_000 + attempt,
      });
      await environment.run(activities.announceOrder, key, order);
    }
    const told = announced.filter(({ id }) => id === key);
    expect(told).toHaveLength(2);
    expect(told[0]).toEqual(told[1]);
  });
});
