import fc from "fast-check";
import {
  type Aggregator,
  aggregator,
  ConfigError,
  collect,
  count,
  distinct,
  distinctApprox,
  first,
  last,
  max,
  mean,
  min,
  quantiles,
  sum,
  topK,
} from "headrace";
import { describe, expect, it } from "vitest";

interface Value {
  readonly n: number;
  readonly time: number;
  readonly id: string;
}

const n = (value: Value) => value.n;
const all: Readonly<Record<string, Aggregator<Value, unknown>>> = {
  count: count(),
  sum: sum(n),
  mean: mean(n),
  min: min(n),
  max: max(n),
  distinct: distinct(n),
  distinctApprox: distinctApprox(n),
  topK: topK(3, n),
  quantiles: quantiles(n, [0.1, 0.5, 0.99]),
  first: first(n),
  last: last(n),
  collect: collect(4, n),
};

interface Plan {
  readonly init: () => unknown;
  readonly copy: (gathered: unknown) => unknown;
  readonly add: (gathered: unknown, value: Value, moment: Value) => unknown;
  readonly merge: (gathered: unknown, other: unknown) => unknown;
  readonly result: (gathered: unknown) => unknown;
}

function gather({ plan }: Aggregator<Value, unknown>, values: readonly Value[], from?: unknown) {
  const { init, add, copy } = plan as unknown as Plan;
  return values.reduce((gathered, value) => add(gathered, value, value), from === undefined ? init() : copy(from));
}

const resultOf = ({ plan }: Aggregator<Value, unknown>, gathered: unknown) => (plan as unknown as Plan).result(gathered);

const values = fc.array(
  fc.record({ n: fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e15, max: 1e15 }), time: fc.nat(5) }),
  { maxLength: 40 },
);

describe.each(Object.entries(all))("%s", (_, one) => {
  it("gives the same in whatever order values come and parts are put together, also through JSON", () => {
    fc.assert(
      fc.property(values, fc.array(fc.nat(), { maxLength: 40 }), fc.nat(40), (given, order, cut) => {
        // JSON knows one zero.
        const log = given.map((value, i) => ({ ...value, n: value.n + 0, id: `id${String(i).padStart(2, "0")}` }));
        const whole = resultOf(one, gather(one, log));
        const shuffled = log
          .map((value, i) => ({ value, place: order[i] ?? i }))
          .sort((a, b) => a.place - b.place)
          .map(({ value }) => value);
        expect(resultOf(one, gather(one, shuffled))).toEqual(whole);
        const { merge, copy } = one.plan as unknown as Plan;
        const [left, right] = [gather(one, shuffled.slice(0, cut)), gather(one, shuffled.slice(cut))];
        const kept = JSON.stringify(right);
        expect(resultOf(one, merge(copy(left), JSON.parse(kept)))).toEqual(whole);
        // Merging and adding may change the first part alone.
        expect(JSON.stringify(right)).toBe(kept);
        const before = JSON.stringify(left);
        gather(one, shuffled.slice(cut), left);
        expect(JSON.stringify(left)).toBe(before);
      }),
      { numRuns: 300 },
    );
  });
});

describe("aggregators", () => {
  const of = (one: Aggregator<Value, unknown>, numbers: readonly number[]) =>
    resultOf(
      one,
      gather(
        one,
        numbers.map((number, i) => ({ n: number, time: i, id: String(i) })),
      ),
    );

  it("say what there is of nothing", () => {
    const empty = Object.fromEntries(Object.entries(all).map(([name, one]) => [name, of(one, [])]));
    expect(empty).toEqual({
      count: 0,
      sum: 0,
      mean: null,
      min: null,
      max: null,
      distinct: 0,
      distinctApprox: 0,
      topK: [],
      quantiles: [null, null, null],
      first: null,
      last: null,
      collect: [],
    });
  });

  it("sum without rounding in between", () => {
    expect(of(sum(n), [0.1, 0.2, 0.3, -0.6])).toBe(2.7755575615628914e-17);
    expect(of(sum(n), [1e100, 1, -1e100])).toBe(1);
    expect(
      of(
        sum(n),
        Array.from({ length: 10 }, () => 0.1),
      ),
    ).toBe(1);
    expect(of(mean(n), [1, 2, 4])).toBe(7 / 3);
  });

  it("count different values to two percent, also very many", () => {
    for (const size of [10, 1_000, 50_000]) {
      const estimate = of(
        distinctApprox(n),
        Array.from({ length: size }, (_, i) => i),
      ) as number;
      expect(Math.abs(estimate - size) / size).toBeLessThan(0.04);
    }
  });

  it("find quantiles to the accuracy that is asked for", () => {
    const numbers = Array.from({ length: 1_001 }, (_, i) => (i - 200) ** 3 / 1_000);
    const sorted = numbers.toSorted((a, b) => a - b);
    for (const accuracy of [0.01, 0.001]) {
      const found = of(quantiles(n, [0, 0.25, 0.5, 0.95, 1], { accuracy }), numbers) as number[];
      [0, 250, 500, 950, 1_000].forEach((rank, i) => {
        const exact = sorted[rank] as number;
        expect(Math.abs((found[i] as number) - exact)).toBeLessThanOrEqual(accuracy * Math.abs(exact) * 1.000001);
      });
    }
  });

  it("take texts that objects have names for", () => {
    const words = ["__proto__", "constructor", "__proto__"].map((text, i) => ({ text, n: 0, time: i, id: String(i) }));
    const text = (value: Value) => (value as (typeof words)[number]).text;
    expect(resultOf(distinct(text), gather(distinct(text), words))).toBe(2);
    const top = topK(1, text);
    const stored = JSON.parse(JSON.stringify(gather(top, words)));
    expect(resultOf(top, gather(top, words, stored))).toEqual([{ value: "__proto__", count: 4 }]);
  });

  it("refuse what is no number, and say which", () => {
    for (const one of [sum(n), mean(n), min(n), max(n), quantiles(n, [0.5])])
      expect(() => of(one, [Number.NaN])).toThrow("takes finite numbers, and was given NaN");
  });

  it("refuse options that mean nothing", () => {
    expect(() => quantiles(n, [50])).toThrow(ConfigError);
    expect(() => aggregator({ does: "x", init: () => 0, add: () => 0, merge: () => 0 } as never)).toThrow(
      "has no function 'result'",
    );
  });
});
