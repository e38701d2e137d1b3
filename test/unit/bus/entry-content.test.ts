import { ConfigError, clickhouse, defineEvent, defineStream, pipeline } from "headrace";
import { testPipeline } from "headrace/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { thingHappened, thingRow, thingTable } from "../../support/things.ts";

const now = new Date("2026-05-01T12:00:00Z");
const table = thingTable("rows");
const event = { type: "thing.happened", data: { key: "k", n: 1 } };

const measured = defineEvent("reading.measured", z.object({ device: z.string(), celsius: z.number() }));

describe("a stream that is adopted as another program writes it", () => {
  it.each([
    ["Benthos", "body"],
    ["Watermill", "payload"],
  ])("is read from the field of %s, and replayed from there", async (_, field) => {
    const stream = defineStream("theirs", { events: [thingHappened], adopt: { key: "app:things", field } });
    const test = testPipeline(pipeline("p").from(stream).to(clickhouse(table), thingRow), { now });
    test.add({ _watermill_message_uuid: "m-1", [field]: JSON.stringify({ id: "1", ...event }) });
    test.add({ _watermill_message_uuid: "m-2", [field]: JSON.stringify({ id: "1", ...event }) });
    test.add({ type: "thing.happened", id: "2", [field]: JSON.stringify(event.data) });
    test.add({ data: JSON.stringify(event) });
    const { rows, audit, deadLetters } = await test.run();
    expect(rows["to"]).toHaveLength(2);
    expect(audit).toMatchObject({ delivered: 2, duplicate: 1, deadLettered: { "no-data-field": 1 }, balanced: true });
    expect(deadLetters[0]?.error).toContain(`has no field '${field}'; it has: data`);
  });

  it("says in the dead letter how to read what it does not find", async () => {
    const stream = defineStream("theirs", { events: [thingHappened], adopt: "app:things" });
    const test = testPipeline(pipeline("p").from(stream).to(clickhouse(table), thingRow), { now });
    test.add({ body: JSON.stringify(event), seq: "1" });
    const { deadLetters } = await test.run();
    expect(deadLetters[0]).toMatchObject({
      reason: "no-data-field",
      error: expect.stringMatching(/it has: body, seq\..*adopt: \{ key, field: "body" \}.*adopt: \{ key, read: \(fields, id\)/),
    });
  });

  it("is read by a function of the application's own, from flat fields", async () => {
    const stream = defineStream("readings", {
      events: [measured],
      adopt: {
        key: "readings",
        read: ({ device = "", celsius, at }, id) => ({
          ...measured({ device, celsius: Number(celsius) }, at ? { time: new Date(at) } : {}),
          ...(id.endsWith("-7") && { id }),
        }),
      },
    });
    const kept: unknown[] = [];
    const of = pipeline("p")
      .from(stream)
      .filter("seen", (one) => kept.push({ ...one.data, at: one.time }) > 0)
      .to(clickhouse(table), (one) => ({ event_id: one.id, key: one.data.device, n: one.data.celsius, at: one.time }));
    const test = testPipeline(of, { now });
    test.add({ device: "d1", celsius: "21" });
    test.add({ device: "d2", celsius: "22", at: "2026-05-01T11:00:00Z" });
    test.add({ device: "d3", celsius: "warm" });
    test.add({ device: "d4", celsius: "1", at: "yesterday" });
    const { audit } = await test.run();
    expect(kept).toEqual([
      { device: "d1", celsius: 21, at: now },
      { device: "d2", celsius: 22, at: new Date("2026-05-01T11:00:00Z") },
    ]);
    expect(audit).toMatchObject({ delivered: 2, deadLettered: { "schema": 1, "bad-time": 1 }, balanced: true });
  });

  it("makes a dead letter of an entry that its function cannot read, and goes on", async () => {
    const stream = defineStream("theirs", {
      events: [thingHappened],
      // As FastStream writes it: an envelope of its own in one field.
      adopt: { key: "app:things", read: (fields) => JSON.parse(JSON.parse(fields["__data__"] ?? "").data) },
    });
    const test = testPipeline(pipeline("p").from(stream).to(clickhouse(table), thingRow), { now });
    test.add({ __data__: JSON.stringify({ data: JSON.stringify({ id: "1", ...event }), headers: { correlation_id: "c-1" } }) });
    test.add({ __data__: JSON.stringify({ data: JSON.stringify({ id: "1", ...event }), headers: { correlation_id: "c-2" } }) });
    test.add({ __data__: "{" });
    test.add({ __data__: JSON.stringify({ data: "null" }) });
    test.add({
      __data__: JSON.stringify({ data: JSON.stringify({ id: "2", type: "thing.happened", data: `${"x".repeat(300_000)}` }) }),
    });
    const { audit } = await test.run();
    expect(audit).toMatchObject({
      delivered: 1,
      duplicate: 1,
      deadLettered: { "unreadable": 2, "too-large": 1 },
      balanced: true,
    });
  });

  it.each([
    [{ key: "", field: "body" }, /adopt: key is ""/],
    [{ key: "k" }, /neither field and read/],
    [{ key: "k", field: "body", read: () => event }, /both field and read/],
    [{ key: "k", body: "body" }, /no 'body'/],
  ])("is refused where it says %j", (adopt, sentence) => {
    const define = () => defineStream("theirs", { events: [thingHappened], adopt: adopt as never });
    expect(define).toThrow(ConfigError);
    expect(define).toThrow(sentence);
  });
});
