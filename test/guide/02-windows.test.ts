/** Windows count by when something happened, not by when it came. */
import { count, defineEvent, defineStream, max, minutes, pipeline, seconds, session, tumbling } from "headrace";
import { testPipeline } from "headrace/testing";
import { expect, test } from "vitest";
import { z } from "zod";

const refused = defineEvent("door.refused", z.object({ door: z.string(), tries: z.int() }), { key: (data) => data.door });
const doors = defineStream("doors", { events: [refused] });
const crowded = defineEvent("door.crowded", z.object({ door: z.string(), since: z.string(), refusals: z.int() }));
const alarms = defineStream("alarms", { events: [crowded] });
const tooLate = defineStream("late-refusals", { events: [refused] });

const now = new Date("2026-05-01T13:00:00Z");
const at = (time: string) => ({ ...refused({ door: "north", tries: 1 }), time: new Date(`2026-05-01T${time}Z`) });
const told = (rows: readonly Readonly<Record<string, unknown>>[] = []) => rows.map((row) => row["data"]);

const crowds = pipeline("crowds")
  .from(doors)
  .keyBy((event) => event.data.door)
  .window(tumbling({ sizeMs: minutes(5), allowedLatenessMs: seconds(30) }))
  .late(tooLate, (event) => refused(event.data, event))
  .aggregate({ refusals: count(), most: max((event) => event.data.tries) })
  .filter("many", ({ values }) => values.refusals >= 2)
  .emit(alarms, ({ key, start, values }) => crowded({ door: key, since: start.toISOString(), refusals: values.refusals }));

test("a window is final when its time has passed; where nothing more comes, event time goes on by the clock", async () => {
  const run = testPipeline(crowds, { now });
  await run.send([at("12:01:00"), at("12:04:59"), at("12:05:00")]);
  expect(told((await run.run()).rows["to"])).toEqual([]);
  const { rows, audit } = await run.advance(minutes(10));
  expect(told(rows["to"])).toEqual([{ door: "north", since: "2026-05-01T12:00:00.000Z", refusals: 2 }]);
  expect(audit).toMatchObject({ read: 3, delivered: 3, late: 0 });
});

test("what comes after a window was final is counted as late, and goes where it is kept", async () => {
  const run = testPipeline(crowds, { now });
  await run.send([at("12:01:00"), at("12:02:00")]);
  await run.advance(minutes(10));
  await run.send([at("12:03:00")]);
  const { rows, audit } = await run.advance(minutes(10));
  expect(told(rows["to"])).toMatchObject([{ refusals: 2 }]);
  expect(told(rows["late:window"])).toEqual([{ door: "north", tries: 1 }]);
  expect(audit).toMatchObject({ delivered: 2, late: 1, balanced: true });
});

const visits = pipeline("visits")
  .from(doors)
  .keyBy((event) => event.data.door)
  .window(session({ gapMs: minutes(5), allowedLatenessMs: minutes(30), early: true }))
  .aggregate({ refusals: count() })
  .emit(alarms, ({ key, start, values, pane }) =>
    crowded({ door: `${key} ${pane}`, since: start.toISOString().slice(11, 16), refusals: values.refusals }),
  );

test("a session lasts as long as events come; early results tell of it at once, and take back what an older event has made wrong", async () => {
  const run = testPipeline(visits, { now });
  await run.send([at("12:00:00"), at("12:08:00"), at("12:04:00")]);
  expect(told((await run.run()).rows["to"])).toEqual([
    { door: "north early", since: "12:00", refusals: 1 },
    { door: "north early", since: "12:08", refusals: 1 },
    { door: "north retracted", since: "12:08", refusals: 1 },
    { door: "north early", since: "12:00", refusals: 3 },
  ]);
  const { rows } = await run.advance(minutes(60));
  expect(told(rows["to"]).at(-1)).toEqual({ door: "north final", since: "12:00", refusals: 3 });
});
