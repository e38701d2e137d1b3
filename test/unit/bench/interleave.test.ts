import { expect, test } from "vitest";
import { interleave, noResults } from "../../../bench/interleave.ts";

test("rounds begin with another one each time, and what was measured before a failure is kept", async () => {
  const order: string[] = [];
  const one = (name: string, failsAt: number) => ({
    name,
    measure: async () => {
      order.push(name);
      if (order.length === failsAt) throw new Error("the fifth run");
      return order.length;
    },
    tell: String,
  });
  const all = [one("a", 5), one("b", 5)];
  const results = noResults<number>(all);
  const options = { runs: 3, say: () => {}, signal: new AbortController().signal };
  await expect(interleave(all, options, results)).rejects.toThrow("the fifth run");
  expect(order).toEqual(["a", "b", "b", "a", "a"]);
  expect(Object.fromEntries(results)).toEqual({ a: [1, 4], b: [2, 3] });
});
