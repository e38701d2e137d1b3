import { describe, expect, it } from "vitest";
import { partitionsOf } from "../../../src/bus/partition.ts";
import { Chunk } from "../../../src/engine/process/chunk.ts";
import { openEntries } from "../../../src/engine/process/open-entries.ts";
import { adoptedThings } from "../../support/things.ts";

const now = Date.UTC(2026, 0, 1);
const [partition] = partitionsOf(adoptedThings().plan);

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
  ])("under the id %s was stored when that says, if it is a time that has come, else now", (id, storedAt) => {
    const event = JSON.stringify({ type: "thing.happened", time: new Date(now).toISOString(), data: { key: "k", n: 1 } });
    const entry = { id, fields: [Buffer.from("data"), Buffer.from(event)], deliveries: 1, events: 1 };
    if (!partition) throw new Error("no partition");
    const opened = openEntries(partition, [entry], {
      chunk: new Chunk("p", { derives: new Set(), signal: new AbortController().signal }),
      now,
    });
    expect([...opened].map((one) => one.storedAt)).toEqual([storedAt]);
  });
});
