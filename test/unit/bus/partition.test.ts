import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { keys, type Partition, partitionIndex, partitionsOf, replayOf } from "../../../src/bus/partition.ts";
import { checksum, eventId, uuidOf, xxhash64 } from "../../../src/core/hash.ts";
import { slowHash } from "../../../src/core/xxhash.ts";
import { defineStream } from "../../../src/dsl/stream.ts";
import { thingHappened, things } from "../../support/things.ts";

interface Vectors {
  readonly partitions: number;
  readonly vectors: readonly { readonly key: string; readonly utf8: string; readonly hash: string; readonly partition: number }[];
}

const published: Vectors = JSON.parse(readFileSync(new URL("../../vectors/partitions.json", import.meta.url), "utf8"));
const hex = (hash: bigint) => hash.toString(16).padStart(16, "0");

describe("the partition of a key", () => {
  it.each(published.vectors)("is the one that the published vectors say: '$key'", ({ key, utf8, hash, partition }) => {
    expect(Buffer.from(key).toString("hex")).toBe(utf8);
    expect(hex(xxhash64(key))).toBe(hash);
    expect(hex(slowHash(Buffer.from(key)))).toBe(hash);
    expect(partitionIndex(key, published.partitions)).toBe(partition);
  });

  it.each([
    ["", "ef46db3751d8e999"],
    ["a", "d24ec4f1a98c6e5b"],
    ["abc", "44bc2cf5ad770999"],
    ["Nobody inspects the spammish repetition", "fbcea83c8a378bf1"],
  ])("rests on xxhash64 as its author defines it: '%s'", (text, hash) => {
    expect(hex(xxhash64(text))).toBe(hash);
    expect(checksum(Buffer.from(text))).toBe(hash);
  });

  it("is the same by a second implementation, for any key", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: "grapheme", maxLength: 100 }), fc.string({ maxLength: 40 })),
        fc.integer({ min: 1, max: 1_024 }),
        (key, partitions) => {
          const hash = slowHash(Buffer.from(key));
          expect(xxhash64(key)).toBe(hash);
          expect(partitionIndex(key, partitions)).toBe(Number(hash % BigInt(partitions)));
        },
      ),
    );
  });

  it("spreads keys evenly", () => {
    const counts = new Array<number>(8).fill(0);
    for (let n = 0; n < 8_000; n++) counts[partitionIndex(`user-${n}`, 8)]! += 1;
    for (const count of counts) expect(count).toBeGreaterThan(850);
  });
});

describe("the keys of a partition", () => {
  it("share one hash tag, and carry the stream's name and the number", () => {
    const partition = partitionsOf(things(12).plan)[11] as Partition;
    expect(partition).toEqual({
      stream: "things",
      index: 11,
      name: "things/11",
      log: "hr:{things:11}:s",
      prefix: "hr:{things:11}",
      adopted: false,
      side: "main",
    });
    expect([
      keys.lease(partition, "p"),
      keys.ledger(partition, "p"),
      keys.states(partition, "p"),
      keys.open(partition, "p"),
      keys.outbox(partition, "p"),
      keys.deadLetters(partition),
      keys.producers(partition),
      keys.meta(partition),
      replayOf(partition, "p").log,
      keys.open(replayOf(partition, "p"), "p"),
    ]).toEqual([
      "hr:{things:11}:lease:p",
      "hr:{things:11}:ledger:p",
      "hr:{things:11}:state:p",
      "hr:{things:11}:open:p",
      "hr:{things:11}:outbox:p",
      "hr:{things:11}:dlq",
      "hr:{things:11}:prod",
      "hr:{things:11}:meta",
      "hr:{things:11}:replay:p",
      "hr:{things:11}:replay-open:p",
    ]);
  });

  it.each([
    ["app:logins", "hr:{app:logins}"],
    ["{app}:logins", "hr:{app}:{app}:logins"],
  ])("lie in the slot of an adopted stream: %s", (redisKey, prefix) => {
    const stream = defineStream("adopted", { events: [thingHappened], adopt: redisKey });
    expect(partitionsOf(stream.plan)).toEqual([
      { stream: "adopted", index: 0, name: "adopted", log: redisKey, prefix, adopted: true, side: "main" },
    ]);
  });
});

describe("an id made from a text", () => {
  it("is a UUID of version 8, the same on every machine", () => {
    // SHA-256 of "" and of "abc" (FIPS 180-2), with the bits of version and variant set.
    expect(uuidOf("")).toBe("e3b0c442-98fc-8c14-9afb-f4c8996fb924");
    expect(uuidOf("abc")).toBe("ba7816bf-8f01-8fea-8141-40de5dae2223");
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(uuidOf(text)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      }),
    );
  });

  it("stays itself where it is a UUID in either case, and is hashed where it is not", () => {
    const uuid = "0193f6b2-7c4e-7d1a-9f00-aabbccddeeff";
    expect(eventId(uuid)).toBe(uuid);
    expect(eventId(uuid.toUpperCase())).toBe(uuid);
    expect(eventId("order 7")).toBe(uuidOf("order 7"));
    expect(eventId("x".repeat(36))).toBe(uuidOf("x".repeat(36)));
    expect(eventId(`{${uuid}}`)).toBe(uuidOf(`{${uuid}}`));
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(eventId(eventId(text))).toBe(eventId(text));
      }),
    );
  });

  it("is of its source and itself where a source is given: a name that is made once, and stays what it is", () => {
    const uuid = "0193f6b2-7c4e-7d1a-9f00-aabbccddeeff";
    expect(eventId("1", "/web")).toBe(uuidOf("4:/web1"));
    expect(eventId("1", "/vpn")).toBe(uuidOf("4:/vpn1"));
    expect(eventId(uuid.toUpperCase(), "/web")).toBe(uuidOf(`4:/web${uuid}`));
    expect(eventId("1", "")).toBe(eventId("1"));
    expect(eventId("1", "é")).toBe(uuidOf("2:é1"));
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary", minLength: 1 }), (id, source) => {
        const name = eventId(id, source);
        expect(eventId(name, source)).toBe(name);
        expect(eventId(name)).toBe(name);
      }),
    );
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 2 }), fc.nat(), (source, id, cut) => {
        const at = 1 + (cut % (id.length - 1));
        expect(eventId(id.slice(at), source + id.slice(0, at))).not.toBe(eventId(id, source));
      }),
    );
  });
});
