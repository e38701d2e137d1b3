import { deflateRawSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { type Envelope, envelopeJson } from "../../../src/bus/envelope.ts";
import { EntryFields } from "../../../src/bus/fields.ts";
import { decodeFrame, encodeFrame } from "../../../src/bus/frame.ts";
import { type Partition, partitionsOf } from "../../../src/bus/partition.ts";
import { decodePlainEntry } from "../../../src/bus/plain-entry.ts";
import { TerminalError } from "../../../src/core/errors.ts";
import { checksum } from "../../../src/core/hash.ts";
import { compileGate } from "../../../src/engine/process/open-entries.ts";
import { createRandom, type Random } from "../../demo/random.ts";
import { damagedBytes, damagedJson } from "../../support/damage.ts";
import { casesOf, seed } from "../../support/long-form.ts";
import { adoptedThings, things } from "../../support/things.ts";
import { envelopeOf } from "../../support/workbench.ts";

const cases = casesOf({ few: 20_000, many: 1_000_000 });

const now = Date.UTC(2026, 0, 1);
const gate = compileGate(things().plan);
const [adopted] = partitionsOf(adoptedThings().plan) as [Partition];
const plainEvent = { id: "x", type: "thing.happened", time: "2026-01-01T00:00:00Z", data: { key: "k", n: 1, orders: ["a"] } };

const frames = [
  [envelopeOf(1, "thing.happened", { key: "k", n: 1, orders: [] })],
  [1, 2, 3, 4].map((n) => envelopeOf(n, "thing.happened", n % 2 ? { key: "k", n } : { key: "k", n, orders: ["x"] })),
  [1, 2, 3].map((n) => ({ ...envelopeOf(n, n === 2 ? "other" : "thing.happened", [n, { a: [n] }]), source: "s", version: n })),
  [1, 2].map((n) => ({ ...envelopeOf(n, "thing.happened", null), traceparent: n === 1 ? "00-a-b-01" : undefined })),
  [1, 2, 3].map((n) => ({ ...envelopeOf(n, "thing.happened", { key: "k", n }), by: n === 2 ? undefined : `p${n}` })),
].map((envelopes) => ({ count: envelopes.length, body: JSON.parse(String(encodeFrame(envelopes).body)) as unknown }));

/** The fields of a frame, damaged somewhere: in what its body says, in its text, in its bytes, or in the fields themselves. */
function damagedFrame(random: Random): Buffer[] {
  const { count, body } = random.pick(frames);
  const codec = random.pick(["j", "jz"]);
  let json: Buffer = Buffer.from(JSON.stringify(random.chance(0.7) ? damagedJson(body, random) : body) ?? "");
  if (random.chance(0.3)) json = damagedBytes(json, random);
  let bytes: Buffer = codec === "jz" ? deflateRawSync(json, { level: 1 }) : json;
  if (random.chance(0.05)) bytes = damagedBytes(bytes, random);
  const fields = new Map<string, Buffer | string>(
    Object.entries({
      v: "1",
      pid: "p",
      inc: "1",
      fs: "0",
      n: String(count),
      c: codec,
      t0: "0",
      t1: "0",
      h: checksum(bytes),
      d: bytes,
    }),
  );
  if (random.chance(0.1)) {
    const name = random.pick([...fields.keys()]);
    if (random.chance(0.3)) fields.delete(name);
    else fields.set(name, damagedBytes(Buffer.from(fields.get(name) ?? ""), random));
  }
  return flat(fields);
}

/** The fields of a plain entry in either form, damaged somewhere. */
function damagedPlain(random: Random): Buffer[] {
  const fields = new Map<string, Buffer | string>();
  if (random.chance(0.5)) fields.set("data", JSON.stringify(damagedJson(plainEvent, random)) ?? "");
  else
    for (const [name, value] of Object.entries({ ...plainEvent, source: "/s", version: "1", traceparent: "00-a-b-01" }))
      fields.set(name, typeof value === "string" ? value : JSON.stringify(damagedJson(value, random)));
  if (random.chance(0.2)) fields.set("hr:origin", random.pick(["a\n1-0", "a\n1-0\n3", "\n\n", "a", "a\nb"]));
  if (random.chance(0.4)) {
    const name = random.pick([...fields.keys()]);
    if (random.chance(0.2)) fields.delete(name);
    else fields.set(name, damagedBytes(Buffer.from(fields.get(name) ?? ""), random));
  }
  return flat(fields);
}

const flat = (fields: ReadonlyMap<string, Buffer | string>): Buffer[] =>
  [...fields].flatMap(([name, value]) => [Buffer.from(name), Buffer.from(value)]);

/** An event of sane values, which the gate takes or refuses and a dead letter can hold. */
function checkEvent(envelope: Envelope): void {
  const { id, type, time, source, traceparent, by, version = 1, fault } = envelope;
  const isSane =
    /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id) &&
    typeof type === "string" &&
    typeof time === "number" &&
    [source, traceparent, by].every((text) => text === undefined || typeof text === "string") &&
    Number.isSafeInteger(version) &&
    version > 0;
  if (!isSane) throw new Error(`no event: ${JSON.stringify(envelope)}`);
  gate(envelope, now, undefined);
  if (fault?.reason !== "too-deep") envelopeJson(envelope);
}

function tryAll(make: (random: Random) => Buffer[], open: (fields: Buffer[]) => "events" | "refused") {
  const random = createRandom(seed);
  const counts = { events: 0, refused: 0 };
  for (let n = 0; n < cases; n++) {
    const fields = make(random);
    try {
      counts[open(fields)]++;
    } catch (error) {
      throw new Error(`case ${n} of seed ${seed}: ${JSON.stringify(fields.map((it) => it.toString("latin1")))}`, {
        cause: error,
      });
    }
  }
  // Damage that is always seen, or never, would try nothing.
  expect(Math.min(counts.events, counts.refused)).toBeGreaterThan(cases / 20);
}

describe(`${cases} damaged entries, seed ${seed}`, () => {
  it("are events of sane values or undecodable, where they are frames", () => {
    tryAll(damagedFrame, (fields) => {
      try {
        const envelopes = decodeFrame(new EntryFields(fields));
        for (let k = 0; k < envelopes.length; k++) checkEvent(envelopes.at(k) as Envelope);
        return "events";
      } catch (error) {
        if (error instanceof TerminalError && error.code === "frame.undecodable") return "refused";
        throw error;
      }
    });
  });

  it("are an event of sane values or refused with a reason, where they are plain", () => {
    tryAll(damagedPlain, (fields) => {
      const result = decodePlainEntry(adopted, "1767225600000-0", new EntryFields(fields));
      if (result.kind === "event") checkEvent(result.envelope);
      else if (!/^[a-z0-9-]+$/.test(result.reason)) throw new Error(`no reason: ${result.reason}`);
      return result.kind === "event" ? "events" : "refused";
    });
  });
});
