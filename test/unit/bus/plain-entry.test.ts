import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Envelope } from "../../../src/bus/envelope.ts";
import { decodePlainEntry } from "../../../src/bus/plain-entry.ts";
import { eventId, uuidOf } from "../../../src/core/hash.ts";
import { compileAdmission, isFault } from "../../../src/stages/admit.ts";
import { things } from "../../support/things.ts";

const log = "app:logins";
const entry = "1767225600123-4";
const bytesOf = (fields: Readonly<Record<string, string | Buffer>>) =>
  new Map(Object.entries(fields).map(([name, value]) => [name, Buffer.from(value)]));
const decode = (fields: Readonly<Record<string, string | Buffer>>, id = entry) => decodePlainEntry({ log }, id, bytesOf(fields));
const decoded = (fields: Readonly<Record<string, string | Buffer>>, id = entry): Envelope => {
  const result = decode(fields, id);
  if (result.kind === "refused") throw new Error(`${result.reason}: ${result.error}`);
  return result.envelope;
};

const event = { type: "thing.happened", data: { key: "k", n: 1 } };
const json = (change: object = {}) => JSON.stringify({ ...event, ...change });

describe("a plain entry", () => {
  it("is an event as JSON in the field data", () => {
    const id = "0193f6b2-7c4e-7d1a-9f00-aabbccddeeff";
    expect(decoded({ data: json({ id, time: "2026-01-01T00:00:00Z", source: "shop", traceparent: "00-aa-bb-01" }) })).toEqual({
      id: eventId(id, "shop"),
      type: "thing.happened",
      time: Date.UTC(2026, 0, 1),
      source: "shop",
      traceparent: "00-aa-bb-01",
      data: event.data,
      contentHash: expect.any(Number),
    });
  });

  it("may carry the attributes of CloudEvents as fields, beside data as its payload", () => {
    const fields = {
      type: "thing.happened",
      id: "order 7",
      time: "2026-01-01T00:00:00+01:00",
      source: "shop",
      traceparent: "00-aa-bb-01",
      data: '{"key":"k","n":1}',
      specversion: "1.0",
    };
    expect(decoded(fields)).toEqual({
      id: eventId("order 7", "shop"),
      type: "thing.happened",
      time: Date.UTC(2025, 11, 31, 23),
      source: "shop",
      traceparent: "00-aa-bb-01",
      data: event.data,
      contentHash: expect.any(Number),
    });
  });

  it("that is a copy has the id and the time of the entry it is a copy of, also where it is refused", () => {
    const origin = `${log}\n1767225600000-9`;
    expect(decoded({ data: json(), "hr:origin": origin })).toMatchObject({
      id: uuidOf(origin),
      time: 1767225600000,
    });
    expect(decoded({ data: json({ id: "own", time: "2026-01-01T00:00:01Z" }), "hr:origin": origin })).toMatchObject({
      id: uuidOf("own"),
      time: 1767225601000,
    });
    expect(decode({ data: "{", "hr:origin": origin })).toMatchObject({ reason: "not-json", id: uuidOf(origin) });
  });

  it("keeps to the limits also where it says that it came out of a frame", () => {
    const deep = json({ id: "own", data: JSON.parse("[".repeat(200) + "]".repeat(200)) });
    const large = json({ id: "own", data: "x".repeat(300_000) });
    for (const origin of [`${log}\n1-0`, `${log}\n1-0\n3`]) {
      expect(decode({ data: deep, "hr:origin": origin })).toMatchObject({ reason: "too-deep" });
      expect(decode({ data: large, "hr:origin": origin })).toMatchObject({ reason: "too-large" });
    }
  });

  it("without an id has one of its stream and entry: the same at each reading, another for each entry", () => {
    expect(decoded({ data: json() }).id).toBe(uuidOf(`${log}\n${entry}`));
    expect(decoded({ data: json() }).id).toBe(decoded({ data: json() }).id);
    expect(decoded({ data: json() }, "1767225600123-5").id).not.toBe(decoded({ data: json() }).id);
    expect(decoded({ type: "thing.happened", data: "{}" }).id).toBe(uuidOf(`${log}\n${entry}`));
  });

  it("is named by its source and its id together", () => {
    const idOf = (change: object) => decoded({ data: json(change) }).id;
    const web = idOf({ id: "1", source: "/web" });
    expect(idOf({ id: "1", source: "/vpn" })).not.toBe(web);
    expect(idOf({ id: "1" })).not.toBe(web);
    expect(decoded({ type: "thing.happened", id: "1", source: "/web", data: "{}" }).id).toBe(web);
    // What is set aside out of a frame is kept with its name as its id, and keeps it when it is sent again.
    expect(idOf({ id: web, source: "/web" })).toBe(web);
    expect(decode({ data: json({ id: "1", source: "/web", time: "then" }) })).toMatchObject({ reason: "bad-time", id: web });
  });

  it.each(["id", "time", "version", "source", "traceparent"])("whose %s is null has none", (name) => {
    expect(decoded({ data: json({ [name]: null }) })).toEqual(decoded({ data: json() }));
  });

  it.each(["1-1", "1767225600-0", "1767225600123456-0"])(
    "without a time, in entry %s, is told what is wrong with that id",
    (id) => {
      expect(decode({ data: json() }, id)).toMatchObject({ reason: "no-time", error: expect.stringContaining(`, ${id}, `) });
      expect(decoded({ data: json({ time: "2026-01-01T00:00:00Z" }) }, id).time).toBe(Date.UTC(2026, 0, 1));
    },
  );

  it("without a time happened when it was stored", () => {
    expect(decoded({ data: json() }).time).toBe(1_767_225_600_123);
  });

  it("keeps text of any script, and a replacement character that was sent as such", () => {
    expect(decoded({ data: '{"type":"a.b","data":"\\ud83d\\ude00 \\\\ud83d"}' }).data).toBe("😀 \\ud83d");
    expect(decoded({ data: json({ data: { key: "東京😀\ufffd", n: 1 } }) }).data).toEqual({ key: "東京😀\ufffd", n: 1 });
  });

  it("may nest as deep as 64 levels, and may hold brackets in its texts", () => {
    const nested = JSON.parse(`${"[".repeat(62)}${"]".repeat(62)}`);
    expect(decoded({ data: json({ data: nested }) }).data).toEqual(nested);
    const text = `${"[{".repeat(500)}\\"`;
    expect(decoded({ data: json({ data: { text } }) }).data).toEqual({ text });
  });

  const megabytes = (n: number) => json({ data: { key: "k", n: 1, filler: "x".repeat(n * 1024 * 1024) } });
  it.each<[string, string, Readonly<Record<string, string | Buffer>>]>([
    ["is not JSON", "not-json", { data: '{"type": "thing.happened",' }],
    ["is empty", "empty", { data: "" }],
    ["has no type", "no-type", { data: '{"data":{}}' }],
    ["has a type that is no text", "no-type", { data: json({ type: 7 }) }],
    ["is larger than 256 kB", "too-large", { data: megabytes(2) }],
    ["is binary", "not-utf8", { data: Buffer.from([0x7b, 0xff, 0xfe, 0x00, 0x80]) }],
    ["has no field data", "no-data-field", { user: "alice", action: "login" }],
    ["nests 20,000 brackets", "too-deep", { data: `${"[".repeat(20_000)}${"]".repeat(20_000)}` }],
    ["nests 20,000 objects that never end", "too-deep", { data: '{"a":'.repeat(20_000) }],
    ["is a list", "not-an-object", { data: "[1]" }],
    ["is null", "not-an-object", { data: "null" }],
    ["has an id that is a number", "bad-id", { data: json({ id: 7 }) }],
    ["has an empty id", "bad-id", { data: json({ id: "" }) }],
    ["has an endless id", "bad-id", { data: json({ id: "x".repeat(129) }) }],
    ["holds half an emoji", "half-character", { data: '{"type":"thing.happened","data":{"key":"cup-\\ud83d","n":1}}' }],
    ["holds half an emoji in a name", "half-character", { data: '{"type":"thing.happened","data":{"\\uDE00":1}}' }],
    ["has a source that is a number", "bad-source", { data: json({ source: 7 }) }],
    ["has a time that is a number", "bad-time", { data: json({ time: 1_767_225_600 }) }],
    ["has a time without a zone", "bad-time", { data: json({ time: "2026-01-01T00:00:00" }) }],
    ["has a day that does not exist", "bad-time", { data: json({ time: "2026-02-30T00:00:00Z" }) }],
  ])("that %s is refused as %s", (_, reason, fields) => {
    const result = decode(fields);
    expect(result).toMatchObject({ kind: "refused", reason });
    if (result.kind === "refused") {
      expect(result.error.length).toBeGreaterThan(10);
      expect(result.error.length).toBeLessThan(400);
      expect(result.id).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  it("keeps its own id and type in the refusal where it has them", () => {
    expect(decode({ data: json({ id: "order 7", time: "yesterday" }) })).toMatchObject({
      type: "thing.happened",
      id: uuidOf("order 7"),
    });
  });

  it.each<[string, string, object]>([
    ["a type that the stream does not carry", "unknown-type", { type: "thing.unheard_of" }],
    ["data that does not fit the schema", "schema", { data: { key: "k", n: "one" } }],
    ["no data", "schema", { data: undefined }],
    ["a day in 1970", "time-out-of-range", { time: "1970-01-01T00:00:00Z" }],
    ["a day in a year's time", "time-out-of-range", { time: "2027-01-01T00:00:00Z" }],
  ])("with %s is decoded, and refused at the gate of the stream as %s", (_, reason, change) => {
    const admit = compileAdmission(things().plan);
    const result = admit(decoded({ data: json(change) }), Date.UTC(2026, 0, 1));
    expect(isFault(result) && result.reason).toBe(reason);
  });

  it("of any bytes at all is an event or is refused: nothing is ever thrown", () => {
    const value = fc.oneof(
      fc.uint8Array({ maxLength: 60 }).map((it) => Buffer.from(it)),
      fc.json().map((it) => Buffer.from(it)),
      fc.string({ unit: "binary" }).map((it) => Buffer.from(it)),
    );
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom("data", "type", "id", "time", "source", "x"), value), (fields) => {
        const result = decodePlainEntry({ log }, entry, new Map(Object.entries(fields)));
        if (result.kind === "event") expect(Number.isFinite(result.envelope.time)).toBe(true);
        else expect(result.reason).toMatch(/^[a-z0-9-]+$/);
      }),
      { numRuns: 1_000 },
    );
  });
});
