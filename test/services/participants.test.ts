import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createCatalogue } from "../../activities/catalogue.ts";
import { createOrders } from "../../activities/orders.ts";
import { createPayments } from "../../activities/payments.ts";
import { createStock, type StockLine } from "../../activities/stock.ts";
import { Refusal } from "../../src/participant/participant.ts";
import { redisClient } from "../support/redis.ts";
import { redisUrl, unique } from "../support/services.ts";

/** Every verb of a participant stands three things: coming twice, an undo of what never came, and a do behind its undo. */
describe("the participants", () => {
  let redis: Awaited<ReturnType<typeof redisClient>>;
  let stock: ReturnType<typeof createStock>["verbs"];
  let payments: ReturnType<typeof createPayments>["verbs"];
  let orders: ReturnType<typeof createOrders>["verbs"];
  let catalogue: ReturnType<typeof createCatalogue>["verbs"];

  beforeAll(async () => {
    redis = await redisClient(await redisUrl());
    stock = createStock({ redis }).verbs;
    payments = createPayments({ redis }).verbs;
    orders = createOrders({ redis }).verbs;
    catalogue = createCatalogue({ redis }).verbs;
  });
  afterAll(() => redis.destroy());

  const refusalOf = async (call: Promise<unknown>): Promise<string | undefined> => {
    const error = await call.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    return error instanceof Refusal ? error.type : undefined;
  };
  const available = async (sku: string) => Number(await redis.hGet("shop:{stock}:available", sku));
  const reserve = (key: string, lines: StockLine[]) => stock.reserve.run({ key, lines });

  describe("stock", () => {
    it("is held once, however often it is asked for, and comes back once", async () => {
      const [key, sku] = [unique(), unique("sku-")];
      const lines = [
        { sku, quantity: 2 },
        { sku, quantity: 3 },
      ];
      await reserve(key, lines);
      await reserve(key, lines);
      expect(await available(sku)).toBe(999_995);
      await stock.release.run({ key: key });
      await stock.release.run({ key: key });
      expect(await available(sku)).toBe(1_000_000);
    });

    it("is held for all lines or for none", async () => {
      const sku = unique("sku-");
      const lines = [
        { sku, quantity: 1 },
        { sku: "sold-out", quantity: 1 },
      ];
      expect(await refusalOf(reserve(unique(), lines))).toBe("OutOfStock");
      expect(await available(sku)).toBe(1_000_000);
    });

    it("refuses more than there is, and an empty cart", async () => {
      expect(await refusalOf(reserve(unique(), [{ sku: unique("sku-"), quantity: 1_000_001 }]))).toBe("OutOfStock");
      expect(await refusalOf(reserve(unique(), []))).toBe("CartEmpty");
    });

    it("refuses a do that comes behind its undo", async () => {
      const key = unique();
      await stock.release.run({ key: key });
      expect(await refusalOf(reserve(key, [{ sku: unique("sku-"), quantity: 1 }]))).toBe("Superseded");
    });

    it("does not come back once it is sold", async () => {
      const [key, sku] = [unique(), unique("sku-")];
      await reserve(key, [{ sku, quantity: 4 }]);
      await stock.sell.run({ key: key });
      await stock.sell.run({ key: key });
      await stock.release.run({ key: key });
      expect(await available(sku)).toBe(999_996);
      await expect(stock.sell.run({ key: unique() })).rejects.toThrow("no stock is held");
    });
  });

  describe("payments", () => {
    const stateOf = (key: string) => redis.hGet("shop:{payments}", key);
    const pay = (key: string, token: string) => payments.authorise.run({ key, token, cents: 500 });

    it("are authorised, captured and voided once", async () => {
      const [captured, voided] = [unique(), unique()];
      await pay(captured, "tok");
      await pay(captured, "tok");
      await payments.capture.run({ key: captured });
      await payments.capture.run({ key: captured });
      expect(await stateOf(captured)).toBe("captured|500");
      await pay(voided, "tok");
      await payments.void.run({ key: voided });
      await payments.void.run({ key: voided });
      expect(await stateOf(voided)).toBe("voided|500");
      await expect(payments.capture.run({ key: voided })).rejects.toThrow("is voided and cannot be captured");
      await expect(payments.void.run({ key: captured })).rejects.toThrow("is captured and cannot be voided");
    });

    it("decline a card that is declined, and leave nothing behind", async () => {
      const key = unique();
      expect(await refusalOf(pay(key, "tok_declined"))).toBe("PaymentDeclined");
      expect(await stateOf(key)).toBeNull();
      await payments.void.run({ key: key });
      expect(await refusalOf(pay(key, "tok"))).toBe("Superseded");
    });

    it("charge once where the first reply is lost", async () => {
      const key = unique();
      await expect(pay(key, "tok_lost_reply")).rejects.toMatchObject({ name: "ReplyLost" });
      await pay(key, "tok_lost_reply");
      expect(await stateOf(key)).toBe("authorised|500");
    });
  });

  describe("orders", () => {
    const request = () => ({ checkoutId: unique(), cartId: "c", userId: "u", totalCents: 7 });

    it("are placed once, and the same checkout has the same number", async () => {
      const [key, order] = [unique(), request()];
      const first = await orders.place.run({ key, order });
      expect(await orders.place.run({ key, order })).toEqual(first);
      expect(await redis.hExists("shop:{orders}", first.orderId)).toBe(1);
    });

    it("can be cancelled before and after they came", async () => {
      const [key, order] = [unique(), request()];
      const { orderId } = await orders.place.run({ key, order });
      await orders.cancel.run({ key });
      await orders.cancel.run({ key });
      expect(await redis.hExists("shop:{orders}", orderId)).toBe(0);
      expect(await refusalOf(orders.place.run({ key, order }))).toBe("Superseded");
    });
  });

  it("quote the total, and refuse a price that is no longer theirs", async () => {
    const [known, unknown] = [unique("sku-"), unique("sku-")];
    await catalogue.setPrice.run({ sku: known, cents: 250 });
    const lines = (unitPriceCents: number) => [
      { sku: known, quantity: 2, unitPriceCents },
      { sku: unknown, quantity: 1, unitPriceCents: 7 },
    ];
    expect(await catalogue.quote.run({ lines: lines(250) })).toEqual({ totalCents: 507 });
    expect(await refusalOf(catalogue.quote.run({ lines: lines(200) }))).toBe("PriceChanged");
    expect(await catalogue.quote.run({ lines: [] })).toEqual({ totalCents: 0 });
  });

  it("count what is in their books", async () => {
    const before = await payments.count.run({});
    await payments.authorise.run({ key: unique(), token: "tok", cents: 5 });
    expect(await payments.count.run({})).toEqual({ ...before, authorised: before.authorised + 1 });
    const placed = await orders.count.run({});
    await orders.place.run({ key: unique(), order: { checkoutId: unique(), cartId: "c", userId: "u", totalCents: 7 } });
    expect(await orders.count.run({})).toEqual({ ...placed, placed: placed.placed + 1 });
  });
});
