import { describe, expect, it } from "vitest";
import { compareBooks } from "../../chaos/keyed/compare.ts";
import { makeTraffic } from "../../chaos/keyed/traffic.ts";
import { recount } from "../../chaos/keyed/truth.ts";
import { createRandom } from "../../demo/random.ts";

const traffic = makeTraffic(createRandom("books"), 600);
const truth = recount(traffic);
const [one = "", ...others] = truth.results;

describe("the comparison of keyed state with its recount", () => {
  it("finds nothing where both are the same, in whatever order", () => {
    const shuffled = { ...truth, results: truth.results.toReversed() };
    expect(compareBooks(truth, shuffled).faults).toEqual([]);
  });

  it.for([
    ["a window that is missing", { results: others }, `results: 1 missing, such as ${one}`],
    [
      "one too many",
      { results: [...truth.results, "tour|nobody|0|0|1|1|1|1|1"] },
      "results: 1 extra, such as tour|nobody|0|0|1|1|1|1|1",
    ],
    ["one that is there twice", { results: [one, ...truth.results] }, `results: 1 twice, such as ${one}`],
  ] as const)("sees %s", ([, change, sentence]) => {
    expect(compareBooks(truth, { ...truth, ...change }).faults).toEqual([sentence]);
  });

  it("sees one with other values, as missing and extra", () => {
    const { differences } = compareBooks(truth, { ...truth, results: [`${one}9`, ...others] });
    expect(differences["results"]).toMatchObject({ missing: [one], extra: [`${one}9`], twice: [] });
  });

  it("does not take an empty part for one that agrees", () => {
    const nothing = { ...truth, attacks: [] };
    expect(compareBooks(nothing, nothing).faults).toEqual(["there should be no attacks: the fault proves nothing of them"]);
  });

  it("has traffic that meets every rule of a cart, repeats, and every order of times", () => {
    const reasons = new Set(truth.history.map((line) => line.split("|").at(-2)));
    expect([...reasons].sort()).toEqual(
      expect.arrayContaining(["", "more than the cart holds", "not in the cart", "over 200 in all"]),
    );
    expect(traffic.length).toBeGreaterThan(new Set(traffic.map(({ id }) => id)).size);
    const times = traffic.filter(({ stream }) => stream === "readings").map(({ event }) => event.time.getTime());
    expect(times).not.toEqual(times.toSorted((a, b) => a - b));
    expect(recount(traffic.filter(({ stream }) => stream !== "carts").toReversed()).results.toSorted()).toEqual(
      truth.results.toSorted(),
    );
  });
});
