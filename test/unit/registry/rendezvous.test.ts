import { describe, expect, it } from "vitest";
import { rendezvous } from "../../../src/registry/rendezvous.ts";

const keys = Array.from({ length: 12_000 }, (_, n) => `key-${n}`);
const instances = ["a", "b", "c", "d", "e"];
const placed = (among: readonly string[]) => new Map(keys.map((key) => [key, rendezvous(key, among) as string]));
const moved = (before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>) =>
  keys.filter((key) => before.get(key) !== after.get(key));

describe("rendezvous hashing", () => {
  it("gives every instance about as many keys", () => {
    const owners = [...placed(instances).values()];
    for (const instance of instances) {
      const part = owners.filter((owner) => owner === instance).length / (keys.length / instances.length);
      expect(part).toBeGreaterThan(0.93);
      expect(part).toBeLessThan(1.07);
    }
  });

  it("moves only the keys of one that leaves, and spreads them over the others", () => {
    const before = placed(instances);
    const after = placed(["a", "b", "d", "e"]);
    expect(moved(before, after)).toEqual(keys.filter((key) => before.get(key) === "c"));
    const taken = moved(before, after).map((key) => after.get(key));
    for (const heir of ["a", "b", "d", "e"]) {
      expect(taken.filter((one) => one === heir).length / (taken.length / 4)).toBeGreaterThan(0.85);
    }
  });

  it("moves keys only to one that joins, about as many from each", () => {
    const before = placed(instances);
    const after = placed([...instances, "f"]);
    expect(new Set(moved(before, after).map((key) => after.get(key)))).toEqual(new Set(["f"]));
    const given = moved(before, after).map((key) => before.get(key));
    for (const giver of instances) expect(given.filter((one) => one === giver).length / (given.length / 5)).toBeGreaterThan(0.85);
  });

  it("does not care for the order of the instances", () => {
    expect(placed(["e", "c", "a", "d", "b"])).toEqual(placed(instances));
  });

  it("has an answer for one instance, and none for none", () => {
    expect(rendezvous("key", ["only"])).toBe("only");
    expect(rendezvous("key", [])).toBeUndefined();
  });
});
