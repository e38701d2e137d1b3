import { expect, test } from "vitest";
import { lookForPeers, peers } from "../../../bench/peers.ts";
import { contestantsOf, isWanted, measurements, startersOf } from "../../../bench/selection.ts";

const namesOf = (only: readonly string[] | undefined) => [...contestantsOf(only), ...startersOf(only)].map(({ name }) => name);

test("all is measured where nothing is named, but memory and state-size, which take minutes", () => {
  expect(measurements.filter((name) => !isWanted(name, undefined))).toEqual(["memory", "state-size"]);
  expect([...namesOf(undefined), "publish-frames", "publish-plain", "latency", "memory", "state-size"]).toEqual(measurements);
});

test("what is a ratio brings along what it is measured against", () => {
  expect(namesOf(["workers-2"])).toEqual(["workers-1", "workers-2"]);
  expect(namesOf(["partitions-64"])).toEqual(["frames", "partitions-64"]);
  expect(namesOf(["starts"])).toEqual(["starts", "plain-starts"]);
  expect(namesOf(["plain"])).toEqual(["plain"]);
});

test("a peer that is not there is told with the way to get it, and one that is there with its version", () => {
  const [first, second] = peers;
  if (!first || !second) throw new Error("there are no peers");
  const found = lookForPeers([
    { ...first, version: () => undefined, missing: "bring it" },
    { ...second, version: () => "1.2.3" },
  ]);
  expect(found.missing).toEqual([{ name: first.contestant.name, missing: "bring it" }]);
  expect(found.versions).toEqual({ [second.contestant.name]: "1.2.3" });
  expect(found.present.map(({ contestant }) => contestant.name)).toEqual([second.contestant.name]);
});
