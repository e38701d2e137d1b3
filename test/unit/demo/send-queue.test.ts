import { describe, expect, it } from "vitest";
import { createRandom } from "../../demo/random.ts";
import { createSendQueue } from "../../demo/send-queue.ts";

describe("createSendQueue", () => {
  it("gives the earliest first, equals in the order they came, and nothing before it is due", () => {
    const random = createRandom(1);
    const queue = createSendQueue<{ sendAt: number; order: number }>();
    const values = Array.from({ length: 2_000 }, (_, order) => ({ sendAt: random.int(0, 300), order }));
    for (const value of values) queue.push(value);
    const popped: typeof values = [];
    for (let until = 0; until <= 300; until += 50) {
      for (let next = queue.popDue(until); next !== undefined; next = queue.popDue(until)) {
        expect(next.sendAt).toBeLessThanOrEqual(until);
        popped.push(next);
      }
    }
    expect(popped).toEqual(values.toSorted((a, b) => a.sendAt - b.sendAt || a.order - b.order));
    expect(queue.popDue(Infinity)).toBeUndefined();
  });
});
