/**
 * The guide: asking elsewhere.
 *
 * What an event does not say may be known elsewhere: the place of a sensor, the country of an address. `enrich` asks for it by a key, keeps
 * the answers for a while, and asks once where many events need the same. What it is asked for depends on the key alone, so no event is
 * given what belongs to another.
 */
import { c, clickhouse, defineEvent, defineStream, defineTable, describe, pipeline, RetryableError } from "headrace";
import { testPipeline, withLooks } from "headrace/testing";
import { beforeEach, expect, test } from "vitest";
import { z } from "zod";

const measured = defineEvent("sensor.measured", z.object({ sensor: z.string(), celsius: z.number() }), {
  key: (data) => data.sensor,
});
const sensors = defineStream("sensors", { events: [measured], partitions: 4 });
const readings = defineTable("readings", {
  columns: { event_id: c.uuid(), sensor: c.string(), room: c.string().nullable(), celsius: c.float64(), at: c.dateTime64(3) },
  orderBy: ["sensor", "at", "event_id"],
});

// Stands for a service that knows where sensors are.
const asked: string[] = [];
let answers: (sensor: string) => string | undefined;
beforeEach(() => {
  asked.length = 0;
  answers = (sensor) => (sensor === "lost" ? undefined : `room of ${sensor}`);
});

const placed = pipeline("placed")
  .from(sensors)
  .enrich(
    "room",
    {
      key: (event) => event.data.sensor,
      look: async (sensor) => {
        asked.push(sensor);
        return answers(sensor);
      },
      combine: (event, room) => ({ event, room }),
      ttlMs: 60_000,
    },
    { retry: { attempts: 2, initialMs: 50, maxMs: 1_000 }, concurrency: 8, timeoutMs: 500 },
  )
  .to(clickhouse(readings), ({ event, room }) => ({ event_id: event.id, ...event.data, room: room ?? null, at: event.time }));

const hundred = Array.from({ length: 100 }, (_, n) => measured({ sensor: ["roof", "cellar", "lost"][n % 3] ?? "", celsius: n }));

test("a key is asked for once, and each event keeps what is its own", async () => {
  const run = testPipeline(placed);
  await run.send(hundred);
  const { rows, audit } = await run.run();
  expect(asked.sort()).toEqual(["cellar", "lost", "roof"]);
  expect(new Set(rows["to"]?.map(({ event_id }) => event_id)).size).toBe(100);
  expect(rows["to"]?.find(({ celsius }) => celsius === 4)).toMatchObject({ sensor: "cellar", room: "room of cellar" });
  expect(rows["to"]?.find(({ celsius }) => celsius === 5)).toMatchObject({ sensor: "lost", room: null });
  expect(audit).toMatchObject({ read: 100, delivered: 100, balanced: true });
});

test("what cannot be answered for the moment is asked again, and what can never be is set aside", async () => {
  let failures = 5;
  answers = (sensor) => {
    if (sensor === "lost") throw new Error("no such sensor");
    if (failures-- > 0) throw new RetryableError("service.unreachable", "busy");
    return "attic";
  };
  const run = testPipeline(placed);
  await run.send([measured({ sensor: "roof", celsius: 1 }), measured({ sensor: "lost", celsius: 2 })]);
  const { rows, deadLetters } = await run.run();
  expect(rows["to"]).toMatchObject([{ sensor: "roof", room: "attic" }]);
  expect(deadLetters).toMatchObject([{ reason: "stage-failed", error: "Error: no such sensor" }]);
});

test("a test may answer itself, so that nothing else is asked", async () => {
  const run = testPipeline(withLooks(placed, { room: () => "lab" }));
  await run.send([measured({ sensor: "roof", celsius: 1 })]);
  expect((await run.run()).rows["to"]).toMatchObject([{ sensor: "roof", room: "lab" }]);
  expect(asked).toEqual([]);
  expect(() => withLooks(placed, { place: () => "lab" })).toThrow("pipeline 'placed' has no enrich stage 'place'");
});

test("the plan tells what is kept, and what guards it", () => {
  expect(describe(placed)).toContain("enrich  room (10000 keys for 60000 ms, retry 2 times, 8 at once, time-out 500 ms)");
});
