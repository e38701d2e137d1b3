import { testPipeline } from "headrace/testing";
import { describe, expect, it } from "vitest";
import { carts } from "../../../pipelines/carts.ts";
import * as events from "../../../pipelines/events.ts";

const now = new Date("2026-05-01T12:00:00Z");
const cartId = "c-1";
const at = (seconds: number) => ({ time: new Date(now.getTime() - 3_600_000 + seconds * 1_000) });

describe("the pipeline of carts", () => {
  it("writes the same history, byte for byte, of a cart of 520 changes that is sent twice", async () => {
    const test = testPipeline(carts, { now });
    const changes = [
      { id: "made", ...events.cartCreated({ cartId, userId: "u" }, at(0)) },
      { id: "first", ...events.itemAdded({ cartId, sku: "cup", quantity: 1, unitPriceCents: 100 }, at(1)) },
      ...Array.from({ length: 518 }, (_, n) => ({
        id: `change-${n}`,
        ...events.quantityChanged({ cartId, sku: "cup", quantity: 1 + (n % 200) }, at(2 + n)),
      })),
    ];
    await test.send(changes);
    const first = await test.run();
    const history = JSON.stringify(first.rows["history"]);
    const [state] = await test.state(cartId);
    expect(first.rows["history"]).toHaveLength(520);
    await test.send(changes);
    const second = await test.run();
    expect(JSON.stringify(second.rows["history"])).toBe(history);
    expect(second.audit).toMatchObject({ read: 1_040, delivered: 520, duplicate: 520, deadLettered: {}, balanced: true });
    expect(await test.state(cartId)).toMatchObject([{ state: state?.state }]);
    expect(JSON.stringify(state?.state).length).toBeLessThan(300);
  });

  it("refuses a quantity of five thousand million by a row with the cart's own reason", async () => {
    const test = testPipeline(carts, { now });
    const quantity = 5_000_000_000;
    await test.send([
      events.cartCreated({ cartId, userId: "u" }, at(0)),
      events.itemAdded({ cartId, sku: "cup", quantity, unitPriceCents: 1 }, at(1)),
      events.itemAdded({ cartId, sku: "cup", quantity: 1, unitPriceCents: 1 }, at(2)),
      events.quantityChanged({ cartId, sku: "cup", quantity }, at(3)),
      events.itemRemoved({ cartId, sku: "cup", quantity }, at(4)),
    ]);
    const { rows, audit } = await test.run();
    expect(audit).toMatchObject({ delivered: 5, deadLettered: {}, balanced: true });
    expect(rows["history"]?.map((row) => (row as { reason?: string }).reason ?? "")).toEqual([
      "",
      "over 200 in all",
      "",
      "over 200 in all",
      "more than the cart holds",
    ]);
  });
});
