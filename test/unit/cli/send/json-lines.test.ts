import { describe, expect, it } from "vitest";
import { Copies } from "../../../../src/cli/send/copies.ts";
import { jsonLines } from "../../../../src/cli/send/json-lines.ts";
import { RecentEvents } from "../../../../src/cli/send/recent-events.ts";

const context = { now: new Date("2026-01-15T12:00:00Z"), idOf: (text: string) => text };
const idsOf = (lines: readonly string[], read = jsonLines.reader(context)) =>
  lines.map((line) => {
    const result = read(line);
    return result.kind === "events" ? result.events[0]?.id : result.kind;
  });
const line = (event: object) => JSON.stringify({ type: "a.b", data: {}, ...event });

describe("a line of JSON", () => {
  it("goes on with all that it says of itself", () => {
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const event = { id: "1", source: "/web", traceparent, version: 2, time: "2026-01-01T00:00:00Z" };
    expect(jsonLines.reader(context)(line(event))).toEqual({
      kind: "events",
      events: [{ ...event, type: "a.b", time: new Date("2026-01-01T00:00:00Z"), data: {} }],
    });
  });

  it("without an id has one that no equal line of the file has, and the same one whenever the file is sent", () => {
    const lines = [line({}), line({ data: { n: 1 } }), line({}), line({})];
    expect(new Set(idsOf(lines)).size).toBe(4);
    expect(idsOf(lines)).toEqual(idsOf(lines));
    const read = jsonLines.reader(context);
    const first = idsOf(lines, read);
    read.next?.(context);
    expect(idsOf(lines, read)).toEqual(first);
  });

  it.each(["[", '[{"type":"a.b"},', "{"])(
    "that only begins something gives the whole file away, where it is the first: %s",
    (text) => {
      expect(jsonLines.reader(context)(text)).toMatchObject({ kind: "foreign", hint: expect.stringContaining("jq -c") });
      expect(idsOf(["", text])).toEqual(["ignored", "foreign"]);
      expect(idsOf([line({ id: "1" }), text])).toEqual(["1", "invalid"]);
    },
  );

  it("that nests too deeply is refused", () => {
    expect(jsonLines.reader(context)(line({ data: JSON.parse(`${'{"a":'.repeat(70)}1${"}".repeat(70)}`) }))).toMatchObject({
      kind: "invalid",
      reason: expect.stringContaining("nests deeper"),
    });
  });
});

describe("copies", () => {
  it("of a text are numbered without a gap, and no two alike, however many others lie between", () => {
    const copies = new Copies();
    expect([1, 2, 3].map(() => copies.next("x"))).toEqual([1, 2, 3]);
    const numbers = new Set<number>();
    for (let round = 0; round < 5; round++) {
      for (let n = 0; n < 20_000; n++) copies.next(`${round} ${n}`);
      numbers.add(copies.next("x"));
    }
    expect(numbers.size).toBe(5);
    copies.clear();
    expect(copies.next("x")).toBe(1);
  });

  it("of a hundred thousand different texts are the first ones", () => {
    const copies = new Copies();
    for (let n = 0; n < 100_000; n++) if (copies.next(`text ${n}`) !== 1) throw new Error(`text ${n} is no first copy`);
  });
});

describe("the last events of a run", () => {
  const event = { id: "1", type: "a.b", time: 1, source: undefined, traceparent: undefined, data: { n: 1 } };

  it("are known again when they say the same, and are others when they do not", () => {
    const recent = new RecentEvents();
    expect(recent.isNew(event)).toBe(true);
    expect(recent.isNew({ ...event, data: { n: 1 } })).toBe(false);
    for (const other of [{ id: "2" }, { time: 2 }, { data: { n: 2 } }, { source: "/web" }])
      expect(recent.isNew({ ...event, ...other })).toBe(true);
  });
});
