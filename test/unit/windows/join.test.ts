import { pipeline, seconds } from "headrace";
import { testPipeline } from "headrace/testing";
import { expect, it } from "vitest";
import { happened, happenings, made, makings } from "../../support/logs.ts";

const now = new Date("2026-05-01T12:00:00Z");
const event = (id: string, n: number) => ({ id, ...happened({ key: "a", n }), time: now });

it("a join takes an event once: one that is delivered again makes no pair, in the same read or in a later one", async () => {
  // What is derived twice gets the same id, and is one event in the end: so the pairs are counted where they are made.
  const pairs: string[] = [];
  const test = testPipeline(
    pipeline("pairs")
      .from(happenings)
      .keyBy(({ data }) => data.key)
      .join("near", {
        left: ({ data }) => (data.n > 0 ? data.n : undefined),
        right: ({ data }) => (data.n < 0 ? data.n : undefined),
        beforeMs: seconds(10),
        afterMs: seconds(10),
      })
      .map("tell", (pair) => {
        pairs.push(`${pair.left.value} ${pair.right.value}`);
        return pair;
      })
      .emit(makings, ({ key, left, right }) => made({ key, left: left.value, right: right.value })),
    { now },
  );
  await test.send([event("one", 1), event("two", -2), event("one", 1), event("two", -2)]);
  expect((await test.run()).audit).toMatchObject({ read: 4, duplicate: 2, balanced: true });
  expect(pairs).toEqual(["1 -2"]);
  await test.send([event("two", -2), event("one", 1), event("three", -3)]);
  expect((await test.run()).audit).toMatchObject({ read: 7, duplicate: 4, balanced: true });
  expect(pairs).toEqual(["1 -2", "1 -3"]);
});
