/**
 * The guide: each file tells one thing, and is run with the tests, so that it stays true. Start here.
 *
 * A pipeline reads typed events from a stream and makes rows of them. It is a value: importing it opens nothing, and `testPipeline` runs
 * it in memory, on a virtual clock, with the engine that runs it in production.
 */
import { c, clickhouse, defineEvent, defineStream, defineTable, pipeline } from "headrace";
import { testPipeline } from "headrace/testing";
import { expect, test } from "vitest";
import { z } from "zod";

// An event is a fact. Its key says which events stay in order.
const measured = defineEvent("sensor.measured", z.object({ sensor: z.string(), celsius: z.number() }), {
  key: (data) => data.sensor,
});
const sensors = defineStream("sensors", { events: [measured], partitions: 4 });
const readings = defineTable("readings", {
  columns: { event_id: c.uuid(), sensor: c.string(), celsius: c.float64(), at: c.dateTime64(3) },
  orderBy: ["sensor", "at", "event_id"],
});

const keepReadings = pipeline("readings")
  .from(sensors)
  .filter("plausible", (event) => event.data.celsius > -90 && event.data.celsius < 60)
  .to(clickhouse(readings), (event) => ({
    event_id: event.id,
    sensor: event.data.sensor,
    celsius: event.data.celsius,
    at: event.time,
  }));

test("every event becomes a row, or is counted under a reason", async () => {
  const run = testPipeline(keepReadings);
  await run.send([measured({ sensor: "roof", celsius: 21 }), measured({ sensor: "roof", celsius: 451 })]);
  const { rows, audit } = await run.run();
  expect(rows["to"]).toMatchObject([{ sensor: "roof", celsius: 21 }]);
  expect(audit).toMatchObject({ read: 2, delivered: 1, dropped: { plausible: 1 }, balanced: true });
});

test("a producer refuses what its stream does not carry", async () => {
  const run = testPipeline(keepReadings);
  const warm = { type: "sensor.measured", data: { sensor: "roof", celsius: "warm" } };
  await expect(run.send([warm])).rejects.toThrow("does not fit its schema");
});

// A stream that another program writes is read in place.
const theirSensors = defineStream("their-sensors", { events: [measured], adopt: "app:sensors" });
const keepTheirs = pipeline("their-readings")
  .from(theirSensors)
  .to(clickhouse(readings), ({ id, time, data }) => ({ event_id: id, ...data, at: time }));

test("what others write and does not fit is set aside with its reason, and its neighbours go on", async () => {
  const run = testPipeline(keepTheirs);
  run.add({ data: JSON.stringify({ type: "sensor.measured", data: { sensor: "roof", celsius: "warm" } }) });
  run.add({ data: JSON.stringify({ type: "sensor.measured", data: { sensor: "roof", celsius: 20 } }) });
  const { rows, deadLetters, audit } = await run.run();
  expect(rows["to"]).toHaveLength(1);
  expect(deadLetters).toMatchObject([{ stage: "admit", reason: "schema", type: "sensor.measured" }]);
  expect(audit).toMatchObject({ read: 2, delivered: 1, deadLettered: { schema: 1 }, balanced: true });
});

test("a worker that dies before it has committed changes nothing: its successor writes the same rows", async () => {
  const run = testPipeline(keepReadings);
  await run.send([measured({ sensor: "roof", celsius: 20 }), measured({ sensor: "cellar", celsius: 12 })]);
  run.crash({ call: "commit", when: "before" });
  const { rows, audit } = await run.run();
  expect(rows["to"]).toHaveLength(2);
  expect(audit).toMatchObject({ read: 2, delivered: 2, inFlight: 0, balanced: true });
});
