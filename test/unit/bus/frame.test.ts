import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Envelope, envelopeJson } from "../../../src/bus/envelope.ts";
import { halved, maxEventBytes } from "../../../src/bus/event-limits.ts";
import { announcedEvents, encodeFrame, frameLimits, maxBodyBytes } from "../../../src/bus/frame.ts";
import { TerminalError } from "../../../src/core/errors.ts";
import { isHalved } from "../../../src/core/half-character.ts";
import { checksum, eventId } from "../../../src/core/hash.ts";
import { decodeAll } from "../../support/decode-all.ts";
import { poisonFrames } from "../../support/poison.ts";

type Fields = ReadonlyMap<string, Buffer>;

/** The fields of an entry, as a producer writes them and a reader gets them. */
function fieldsOf(envelopes: readonly Envelope[], codec: "j" | "jz" = "j"): Map<string, Buffer> {
  const { count, minTime, maxTime, checksum: sum, body } = encodeFrame(envelopes, codec);
  const texts = {
    v: "1",
    pid: "producer",
    inc: "1",
    fs: "0",
    n: String(count),
    c: codec,
    t0: String(minTime),
    t1: String(maxTime),
    h: sum,
  };
  return new Map([...Object.entries(texts).map(([name, text]) => [name, Buffer.from(text)] as const), ["d", body]]);
}

const withBody = (body: unknown, count = 1, codec: "j" | "jz" = "j"): Fields => {
  const json = Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
  const d = codec === "jz" ? deflateRawSync(json) : json;
  const texts = { v: "1", n: String(count), c: codec, h: checksum(d) };
  return new Map([...Object.entries(texts).map(([name, text]) => [name, Buffer.from(text)] as const), ["d", d]]);
};

const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: "grapheme" }),
  fc.string(),
  fc.constantFrom("", "\ud800", "\udfff x", "a\nb", "-\na", "__proto__", "constructor", "toString", "é漢😀"),
);
const json = fc.jsonValue({ depthSize: "small", stringUnit: "binary" });
const data = fc.oneof(
  json,
  fc.dictionary(text, json, { maxKeys: 5 }),
  fc.constantFrom(
    {},
    [],
    null,
    0,
    "",
    { "": 1 },
    { "": 1, b: 2 },
    { "a\nb": 1 },
    { a: 1, b: 2 },
    { b: 2, a: 1 },
    JSON.parse('{"__proto__":{"x":1},"a":1}'),
    { a: { b: [{ c: null }] } },
  ),
);
const envelopes: fc.Arbitrary<readonly Envelope[]> = fc.array(
  fc.record({
    id: fc.uuid(),
    type: fc.oneof(fc.constantFrom("a.b", "a", "a\nb", ""), text),
    time: fc.integer({ min: -8.64e15, max: 8.64e15 }),
    source: fc.option(text, { nil: undefined }),
    traceparent: fc.option(text, { nil: undefined }),
    by: fc.option(fc.oneof(fc.constantFrom("", "a", "b"), fc.string()), { nil: undefined }),
    version: fc.option(fc.integer({ min: 2, max: 9 }), { nil: undefined }),
    data,
  }),
  { minLength: 1, maxLength: 30 },
);

/** The name of each, and what JSON makes of its value: -0 becomes 0, a key without a value goes. */
const throughJson = (all: readonly Envelope[]) =>
  all.map((one) => ({
    ...one,
    id: eventId(one.id, one.source),
    time: one.time + 0,
    data: JSON.parse(JSON.stringify(one.data)),
    ...(isHalved([one.type, one.source, one.data]) && { fault: { reason: "half-character", error: halved } }),
  }));

describe("a frame", () => {
  it("gives back what was put in, whatever JSON it is, in both codecs", () => {
    fc.assert(
      fc.property(envelopes, fc.constantFrom("j" as const, "jz" as const), (all, codec) => {
        const decoded = decodeAll(fieldsOf(all, codec));
        expect(decoded).toEqual(throughJson(all));
        expect(decoded.map((one) => Object.keys((one.data ?? {}) as object))).toEqual(
          throughJson(all).map((one) => Object.keys((one.data ?? {}) as object)),
        );
      }),
      { numRuns: 500 },
    );
  });

  const one = (content: unknown, n = 0, type = "thing.happened"): Envelope => ({
    id: `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`,
    type,
    time: 1_700_000_000_000 + n,
    source: undefined,
    traceparent: undefined,
    data: content,
  });

  it.each([
    ["an empty object beside one whose only field has no name", [{}, { "": 1 }, {}]],
    [
      "fields in another order",
      [
        { a: 1, b: 2 },
        { b: 2, a: 1 },
      ],
    ],
    ["a field that is missing in some", [{ a: 1, b: 2 }, { a: 1 }, { b: null }]],
    ["an own field called __proto__", [JSON.parse('{"__proto__":{"admin":true},"a":1}'), { a: 1 }]],
    ["fields called like those of every object", [{ constructor: 1, toString: "x", hasOwnProperty: null }]],
    ["halves of surrogate pairs, in names and in values", [{ "\ud800": "\udc00", "x\udfff": ["\ud800x"] }]],
    ["line ends in names", [{ "a\nb": 1 }, { a: 1, b: 2 }, { a: 1, "b\n": 2 }]],
    ["values that are no objects", [null, 1, "x", true, [1, [2]], { a: 1 }]],
    ["numbers at their limits", [{ n: Number.MAX_SAFE_INTEGER, m: Number.MIN_VALUE, x: -1.7976931348623157e308 }]],
  ])("keeps apart %s", (_, contents) => {
    const all = contents.map((content, n) => one(content, n));
    for (const codec of ["j", "jz"] as const) {
      const decoded = decodeAll(fieldsOf(all, codec));
      expect(decoded).toMatchObject(all);
      expect(decoded.map(({ data: got }) => JSON.stringify(got))).toEqual(all.map(({ data: sent }) => JSON.stringify(sent)));
    }
  });

  it("keeps types apart that look like a type with a field", () => {
    const all = [one({}, 0, "a\nb"), one({ b: 1 }, 1, "a"), one(null, 2, "a"), one(null, 3, "a\n")];
    expect(decodeAll(fieldsOf(all))).toEqual(all);
  });

  it("leaves a field without a value out, as JSON does", () => {
    expect(decodeAll(fieldsOf([one({ a: undefined, b: 1 }), one({ b: 1 }, 1)])).map(({ data: got }) => got)).toEqual([
      { b: 1 },
      { b: 1 },
    ]);
  });

  it("holds more shapes than it makes columns for, and the most events that a frame can have", () => {
    const all = Array.from({ length: frameLimits.maxEvents }, (_, n) =>
      one({ [`field ${n % 200}`]: n, n }, n, n % 2 ? "odd" : "even"),
    );
    for (const codec of ["j", "jz"] as const) expect(decodeAll(fieldsOf(all, codec))).toEqual(all);
  });

  it("says in its fields how many events it holds, and from when to when", () => {
    const { count, minTime, maxTime } = encodeFrame([one(1, 5), one(2, 3), one(3, 9)]);
    expect({ count, minTime, maxTime }).toEqual({ count: 3, minTime: 1_700_000_000_003, maxTime: 1_700_000_000_009 });
  });

  it("hashes an id that is no UUID into one, and writes it in lower case", () => {
    const body = { s: [["t", null]], id: ["A0000000-0000-4000-8000-00000000000F"], t: [0], d: [[[1]]] };
    expect(decodeAll(withBody(body))[0]?.id).toBe("a0000000-0000-4000-8000-00000000000f");
    expect(decodeAll(withBody({ ...body, id: ["order 7"] }))[0]?.id).toBe(eventId("order 7"));
  });

  it("does not let a field reach the prototype of what it decodes", () => {
    const body = { s: [["t", ["__proto__"]]], id: ["x"], t: [0], d: [[[{ polluted: true }]]] };
    expect(() => decodeAll(withBody(body))).toThrow(/cannot be read/);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  const refusal = (fields: Fields): TerminalError => {
    try {
      decodeAll(fields);
    } catch (error) {
      expect(error).toBeInstanceOf(TerminalError);
      expect((error as TerminalError).code).toBe("frame.undecodable");
      return error as TerminalError;
    }
    throw new Error("it was decoded");
  };

  const base = { s: [["t", ["a"]]], id: ["x"], t: [0], d: [[[1]]] };
  it.each<[string, Fields, RegExp]>([
    ["no fields", new Map(), /version is ''/],
    ["another version", new Map([...withBody(base), ["v", Buffer.from("2")]]), /version is '2'/],
    ["no body", new Map([...withBody(base)].filter(([name]) => name !== "d")), /no body/],
    ["another checksum", new Map([...withBody(base), ["h", Buffer.from("0000000000000000")]]), /checksum/],
    ["another codec", new Map([...withBody(base), ["c", Buffer.from("zstd")]]), /codec is 'zstd'/],
    ["a codec that it was not written with", new Map([...withBody(base), ["c", Buffer.from("jz")]]), /cannot be read/],
    ["a number of events that it does not hold", withBody(base, 2), /does not hold the 2 events/],
    ["no number of events", new Map([...withBody(base), ["n", Buffer.from("")]]), /holds '' events/],
    ["more events than a frame can have", withBody(base, 501), /holds '501' events/],
    ["a body that is no JSON", withBody("{"), /cannot be read/],
    ["a body that is null", withBody("null"), /cannot be read/],
    ["a body that is a list", withBody([1]), /cannot be read/],
    ["no shapes", withBody({ ...base, s: [] }), /cannot be read/],
    ["a shape that is no shape", withBody({ ...base, s: [7] }), /cannot be read/],
    ["a shape whose fields are text", withBody({ ...base, s: [["t", "a"]] }), /shape/],
    ["a shape without a type", withBody({ ...base, s: [[null, ["a"]]] }), /shape/],
    ["a shape that is not there", withBody({ ...base, i: [3] }), /cannot be read/],
    ["no columns", withBody({ ...base, d: [] }), /cannot be read/],
    ["a column too many", withBody({ ...base, d: [[[1], [2]]] }), /columns do not fit/],
    ["a column that is too short", withBody({ ...base, d: [[[]]] }), /columns do not fit/],
    ["a column that is too long", withBody({ ...base, d: [[[1, 2]]] }), /columns do not fit/],
    ["a column that is text", withBody({ ...base, d: [["1"]] }), /columns do not fit/],
    ["an id that is a number", withBody({ ...base, id: [7] }), /lacks its id or time/],
    ["a time that is text", withBody({ ...base, t: ["now"] }), /lacks its id or time/],
    ["times that are missing", withBody({ ...base, t: [] }), /does not hold 1 times/],
    ...Object.entries(poisonFrames).map(([what, fields]): [string, Fields, RegExp] => [
      what,
      new Map(Object.entries(fields).map(([name, value]) => [name, Buffer.from(value)])),
      /cannot be read/,
    ]),
  ])("refuses %s", (_, fields, said) => {
    expect(refusal(fields).message).toMatch(said);
  });

  it.each(["j", "jz"] as const)("reads a body of a megabyte, and no longer one (%s)", (codec) => {
    const body = JSON.stringify(base);
    const padded = (bytes: number) => withBody(`${body}${" ".repeat(bytes - body.length)}`, 1, codec);
    expect(decodeAll(padded(maxBodyBytes))).toHaveLength(1);
    for (const bytes of [maxBodyBytes + 1, 80 * maxBodyBytes])
      expect(refusal(padded(bytes)).message).toMatch(/measures more than 1048576 bytes/);
  });

  it("takes no event that is larger, deeper or called longer than one that comes alone may be, and the others beside it", () => {
    const nested = (levels: number) => JSON.parse(`${"[".repeat(levels)}${"]".repeat(levels)}`);
    const sized = (bytes: number) => {
      const empty = one({ text: "" }, 2);
      return one({ text: "x".repeat(bytes - Buffer.byteLength(envelopeJson(empty))) }, 2);
    };
    const faults = (...all: readonly Envelope[]) => decodeAll(fieldsOf(all)).map(({ fault }) => fault?.reason);
    expect(faults(one(nested(63)), one(nested(64), 1), one(1, 2))).toEqual([undefined, "too-deep", undefined]);
    expect(faults(one({ a: nested(62) }), one({ a: nested(63) }, 1))).toEqual([undefined, "too-deep"]);
    expect(faults(one({ a: "[".repeat(100) }))).toEqual([undefined]);
    expect(faults(one({}, 1), sized(maxEventBytes))).toEqual([undefined, undefined]);
    expect(faults(one({}, 1), sized(maxEventBytes + 1))).toEqual([undefined, "too-large"]);
    const named = (id: string) => withBody({ ...base, id: [id] });
    expect(["", "x", "x".repeat(128), "x".repeat(129)].map((id) => decodeAll(named(id))[0]?.fault?.reason)).toEqual([
      "bad-id",
      undefined,
      undefined,
      "bad-id",
    ]);
  });

  it("refuses a body in which any byte has changed", () => {
    fc.assert(
      fc.property(
        envelopes,
        fc.constantFrom("j" as const, "jz" as const),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (all, codec, at, flip) => {
          const fields = fieldsOf(all, codec);
          const body = Buffer.from(fields.get("d") as Buffer);
          body[at % body.length] = (body[at % body.length] as number) ^ flip;
          refusal(new Map([...fields, ["d", body]]));
        },
      ),
    );
  });

  it("refuses every other value of the fields that say how it is read", () => {
    const fields = fieldsOf([one({ a: 1 }), one({ a: 2 }, 1)]);
    fc.assert(
      fc.property(
        fc.constantFrom("v", "n", "c", "h"),
        fc.oneof(
          fc.uint8Array({ maxLength: 20 }),
          fc.string().map((it) => Buffer.from(it)),
        ),
        (name, bytes) => {
          fc.pre(String(fields.get(name)) !== String(Buffer.from(bytes)));
          refusal(new Map([...fields, [name, Buffer.from(bytes)]]));
        },
      ),
    );
  });

  it("decodes any body or says why not: nothing else is ever thrown", () => {
    const part = fc.oneof(
      json,
      fc.array(
        fc.oneof(fc.nat(3), fc.constantFrom("t", null), fc.array(fc.array(fc.nat(3), { maxLength: 2 }), { maxLength: 2 })),
        { maxLength: 3 },
      ),
    );
    const body = fc.oneof(
      json,
      fc.record({ s: part, i: part, id: part, t: part, src: part, tp: part, d: part }, { requiredKeys: [] }),
      fc.record(
        {
          s: fc.constant([["t", ["a"]]]),
          id: fc.constant(["x"]),
          t: fc.constant([0]),
          d: fc.oneof(part, fc.constant([[[1]]])),
          i: part,
          src: part,
        },
        { requiredKeys: ["s", "id", "t", "d"] },
      ),
    );
    let decoded = 0;
    fc.assert(
      fc.property(body, fc.integer({ min: 0, max: 3 }), fc.constantFrom("j" as const, "jz" as const), (content, count, codec) => {
        const fields = withBody(content, count, codec);
        try {
          for (const envelope of decodeAll(fields)) {
            decoded++;
            expect(
              typeof envelope.id === "string" && typeof envelope.type === "string" && typeof envelope.time === "number",
            ).toBe(true);
            expect(["string", "undefined"]).toContain(typeof envelope.source);
          }
        } catch (error) {
          if (error instanceof TerminalError) expect(error.code).toBe("frame.undecodable");
          else throw error;
        }
      }),
      { numRuns: 2_000 },
    );
    expect(decoded).toBeGreaterThan(0);
  });

  it("decodes random fields or says why not", () => {
    const bytes = fc.uint8Array({ maxLength: 40 }).map((it) => Buffer.from(it));
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom("v", "n", "c", "h", "d", "pid", "x"),
          fc.oneof(
            bytes,
            fc.constantFrom("1", "j", "jz").map((it) => Buffer.from(it)),
          ),
        ),
        (fields) => {
          refusal(new Map(Object.entries(fields)));
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("the number of events that a frame announces", () => {
  it.each([
    ["1", 1],
    ["500", 500],
    ["999", 999],
    ["0", 1],
    ["-3", 1],
    ["1.5", 1],
    ["1e3", 1],
    ["0x10", 1],
    ["007", 1],
    [" 3", 1],
    ["Infinity", 1],
    ["nan", 1],
    ["1000", 1],
    ["", 1],
  ])("'%s' counts as %d", (n, count) => {
    expect(announcedEvents(Buffer.from(n))).toBe(count);
  });
});
