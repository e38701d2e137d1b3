import { expect, it } from "vitest";
import { OwnerHistory } from "../../../src/engine/read/owner-history.ts";

const entry = (n: number) => ({ id: `${n}-0`, fields: [], deliveries: 1, events: 1 });

it("an owner remembers what reads have brought, whatever number somebody has made of their count", () => {
  const history = new OwnerHistory();
  history.noteRead(1, [entry(1)]);
  history.noteRead(3, [entry(3)]);
  expect(history.lost({ commits: 0, reads: 0 }).map(({ first }) => first)).toEqual(["1-0", "3-0"]);
  history.noteRead(8e15, [entry(4)]);
  expect(history.known.reads).toBe(8e15);
  expect(history.lost({ commits: 0, reads: 8e15 - 1 }).map(({ first }) => first)).toEqual(["4-0"]);
});
