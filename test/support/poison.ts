import { deflateRawSync } from "node:zlib";
import { checksum } from "../../src/core/hash.ts";

/** The fields of an entry, in their order. */
export type RawFields = Readonly<Record<string, string | Buffer>>;

/** The fields of a frame of one event that any program may write: its checksum is right, whatever its body says. */
export function frameOf(body: unknown, { codec = "j", ...fields }: Readonly<Record<string, string>> = {}): RawFields {
  const json = Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
  const d = codec === "jz" ? deflateRawSync(json) : json;
  return { v: "1", pid: "p", inc: "1", fs: "0", n: "1", c: codec, t0: "0", t1: "0", h: checksum(d), ...fields, d };
}

const time = Date.now();

/** The body of a frame with one event of a stream of things, changed. */
export const bodyOf = (change: object = {}) => ({
  s: [["thing.happened", ["key", "n"]]],
  id: ["x"],
  t: [time],
  d: [[["a"], [1]]],
  ...change,
});

const blanks = (length: number) => `${JSON.stringify(bodyOf())}${" ".repeat(length)}`;
const two = bodyOf({
  s: [
    ["thing.happened", ["key", "n"]],
    ["other", null],
  ],
  d: [[["a"], [1]], [[]]],
});

/** Frames that cannot be read, each in its own way: the whole entry is a dead letter, `undecodable`. */
export const poisonFrames: Readonly<Record<string, RawFields>> = {
  "an index that names what every list has": frameOf(bodyOf({ i: ["length"], d: [[[], []]] })),
  "an index that names the prototype": frameOf(bodyOf({ i: ["__proto__"], d: [[[], []]] })),
  "an index that is text": frameOf(bodyOf({ i: ["0"] })),
  "an index below 0": frameOf(bodyOf({ i: [-1] })),
  "half an index": frameOf({ ...two, i: [0.5] }),
  "an index beyond the shapes": frameOf({ ...two, i: [1e308] }),
  "an index without a value": frameOf({ ...two, i: [null] }),
  "indexes that are an object": frameOf({ ...two, i: { 0: 0, length: 1 } }),
  "indexes that are text": frameOf({ ...two, i: "0" }),
  "more indexes than events": frameOf({ ...two, i: [0, 1] }),
  "shapes that are an object": frameOf(bodyOf({ s: { 0: ["thing.happened", null], length: 1 } })),
  "fewer columns than shapes": frameOf({ ...two, d: [[["a"], [1]]], i: [0] }),
  "two fields of one name": frameOf(bodyOf({ s: [["thing.happened", ["key", "key"]]] })),
  "columns that are text": frameOf(bodyOf({ d: [["a", "1"]] })),
  "columns that are an object": frameOf(bodyOf({ d: { 0: [["a"], [1]], length: 1 } })),
  "an id that is an object": frameOf(bodyOf({ id: [{ toLowerCase: 1 }] })),
  "ids that are text": frameOf(bodyOf({ id: "x" })),
  "times that are text": frameOf(bodyOf({ t: "0" })),
  "a source for nobody": frameOf(bodyOf({ src: ["here", "there"] })),
  "producers that are text": frameOf(bodyOf({ by: "p" })),
  "a producer that is a number": frameOf(bodyOf({ by: [1] })),
  "two producers for nobody": frameOf(bodyOf({ by: ["p", "q"] })),
  "no producer for anybody": frameOf(bodyOf({ by: [], b: [0] })),
  "a place beyond the producers": frameOf(bodyOf({ by: ["p"], b: [1] })),
  "a place that is text": frameOf(bodyOf({ by: ["p"], b: ["0"] })),
  "half a place": frameOf(bodyOf({ by: ["p", "q"], b: [0.5] })),
  "more places than events": frameOf(bodyOf({ by: ["p"], b: [0, 0] })),
  "a version so far back that nothing brings it up": frameOf(
    bodyOf({ s: [["thing.happened", ["key", "n"], Number.MIN_SAFE_INTEGER]] }),
  ),
  "a body that grows beyond all limits": frameOf(blanks(80 * 1024 * 1024), { codec: "jz" }),
  "a body of more than a megabyte": frameOf(blanks(1024 * 1024)),
  "an announcement that is no number": frameOf(bodyOf(), { n: "1.0" }),
};

const deep = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;
const whole = { s: [["thing.happened", null]] };

/** Frames of which one event cannot be taken, by the reason that its dead letter gives. */
export const poisonEvents: readonly (readonly [what: string, reason: string, fields: RawFields])[] = [
  ["a time that no date can hold", "time-out-of-range", frameOf(bodyOf({ t: [-1e300] }))],
  ["a time beyond all numbers", "time-out-of-range", frameOf(JSON.stringify(bodyOf({ t: ["T"] })).replace('"T"', "1e999"))],
  [
    "data nested deeper than JSON can be written",
    "too-deep",
    frameOf(JSON.stringify(bodyOf({ ...whole, d: [[["DEEP"]]] })).replace('"DEEP"', deep)),
  ],
  [
    "data nested one level too deep",
    "too-deep",
    frameOf(JSON.stringify(bodyOf({ ...whole, d: [[["DEEP"]]] })).replace('"DEEP"', `${"[".repeat(64)}${"]".repeat(64)}`)),
  ],
  ["an event of more than 256 kB", "too-large", frameOf(bodyOf({ d: [[["x".repeat(256 * 1024)], [1]]] }))],
  ["an id without a character", "bad-id", frameOf(bodyOf({ id: [""] }))],
  ["an id of 129 characters", "bad-id", frameOf(bodyOf({ id: ["x".repeat(129)] }))],
];
