import { describe, expect, it } from "vitest";
import { storedAt } from "../../../src/engine/process/open-entries.ts";

const now = Date.UTC(2026, 0, 1);

describe("an entry that was opened", () => {
  // An id that is no time would hold the watermark back for ever, or put it ahead of everything.
  it.each([
    [`${now - 1_000}-0`, now - 1_000],
    [`${now + 1_000}-0`, now + 1_000],
    ["1-1", now],
    ["0-1", now],
    [`${now / 1_000}-0`, now],
    [`${now * 1_000}-0`, now],
    [`${now + 86_400_000}-0`, now],
  ])("under the id %s was stored when that says, if it is a time that has come, else now", (id, at) => {
    expect(storedAt({ id, fields: [], deliveries: 1, events: 1 }, now)).toBe(at);
  });
});
