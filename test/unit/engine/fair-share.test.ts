import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fairShare, type LiveWorker } from "../../../src/engine/assign/fair-share.ts";

const worker = (instance: string, partitions: Record<string, number>, since = instance): LiveWorker => ({
  instance,
  since,
  partitions,
});
const shares = (runners: readonly LiveWorker[]) =>
  runners.map(({ instance }) => Object.fromEntries(fairShare(instance, runners)));
const sum = (numbers: readonly number[]) => numbers.reduce((total, one) => total + one, 0);
const totals = (runners: readonly LiveWorker[]) => shares(runners).map((share) => sum(Object.values(share)));

/** Up to eight workers that run some of up to six pipelines each, of up to forty partitions. */
const fleets = fc
  .dictionary(fc.constantFrom("p", "q", "r", "s", "t", "u"), fc.integer({ min: 1, max: 40 }), { minKeys: 1 })
  .chain((pipelines) =>
    fc
      .array(fc.subarray(Object.keys(pipelines)), { minLength: 1, maxLength: 8 })
      .map((those) =>
        those.map((names, i) => worker(`w${i}`, Object.fromEntries(names.map((name) => [name, pipelines[name] as number])))),
      ),
  );

describe("fair shares", () => {
  it("give all to one who is alone", () => {
    expect(shares([worker("w1", { logins: 8, carts: 4 })])).toEqual([{ logins: 8, carts: 4 }]);
  });

  it("of eight partitions are three, three and two for three workers", () => {
    const three = ["w1", "w2", "w3"].map((name) => worker(name, { logins: 8 }));
    expect(totals(three)).toEqual([3, 3, 2]);
  });

  it("give the remainder to the oldest, and nothing to those for whom nothing is left", () => {
    const four = [
      worker("new", { alerts: 2 }, "4"),
      worker("old", { alerts: 2 }, "1"),
      worker("mid", { alerts: 2 }, "2"),
      worker("late", { alerts: 2 }, "3"),
    ];
    expect(totals(four)).toEqual([0, 1, 1, 0]);
  });

  it("spread pipelines of one partition over the workers", () => {
    const two = ["w1", "w2"].map((name) => worker(name, { a: 1, b: 1, c: 1, d: 1 }));
    expect(totals(two)).toEqual([2, 2]);
  });

  it("count for each pipeline only those who run it", () => {
    const fleet = [worker("all", { logins: 9, carts: 8 }), worker("logins", { logins: 9 }), worker("carts", { carts: 8 })];
    expect(shares(fleet)).toEqual([{ carts: 4, logins: 4 }, { logins: 5 }, { carts: 4 }]);
  });

  it("add up to all partitions, and differ by one at most", () => {
    fc.assert(
      fc.property(fleets, (fleet) => {
        const all = shares(fleet);
        for (const pipeline of new Set(fleet.flatMap(({ partitions }) => Object.keys(partitions)))) {
          const parts = all.flatMap((share) => share[pipeline] ?? []);
          expect(sum(parts)).toBe(fleet.find(({ partitions }) => pipeline in partitions)?.partitions[pipeline]);
          expect(Math.max(...parts) - Math.min(...parts)).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it("are within one of each other in total where all run the same pipelines", () => {
    fc.assert(
      fc.property(fleets, ([first, ...rest]) => {
        const { partitions } = first as LiveWorker;
        const parts = totals([first, ...rest].map((_, i) => worker(`w${i}`, partitions)));
        expect(Math.max(...parts)).toBe(Math.ceil(sum(Object.values(partitions)) / parts.length));
        expect(Math.max(...parts) - Math.min(...parts)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it("do not depend on the order in which the workers are listed", () => {
    fc.assert(
      fc.property(
        fleets.chain((fleet) => fc.tuple(fc.constant(fleet), fc.shuffledSubarray([...fleet], { minLength: fleet.length }))),
        ([fleet, shuffled]) => {
          for (const { instance } of fleet) expect(fairShare(instance, shuffled)).toEqual(fairShare(instance, fleet));
        },
      ),
    );
  });

  it("of one pipeline shrink when a worker joins and grow when one leaves: nothing moves that has not to", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 20 }), fc.nat(), (partitions, workers, nth) => {
        const before = Array.from({ length: workers + 1 }, (_, i) =>
          worker(`w${String(i).padStart(2, "0")}`, { logins: partitions }),
        );
        const leaver = before[nth % before.length] as LiveWorker;
        const after = before.filter((one) => one !== leaver);
        for (const { instance } of after) {
          const [with_, without] = [before, after].map((those) => fairShare(instance, those).get("logins") as number);
          expect(without).toBeGreaterThanOrEqual(with_ as number);
        }
      }),
    );
  });
});
