/** The test kit under another runner, in plain JavaScript and by the names under which it is published. */
import assert from "node:assert/strict";
import test from "node:test";
import { count, defineEvent, defineStream, drop, minutes, pipeline, session } from "headrace";
import { testFold, testPipeline } from "headrace/testing";
import { z } from "zod";

const rang = defineEvent("bell.rang", z.object({ bell: z.string() }), { key: (data) => data.bell });
const pealed = defineEvent("bell.pealed", z.object({ bell: z.string(), times: z.int() }), { key: (data) => data.bell });
const bells = defineStream("bells", { events: [rang] });
const peals = defineStream("peals", { events: [pealed] });
const pealing = pipeline("pealing")
  .from(bells)
  .dedupe("once")
  .keyBy((event) => event.data.bell)
  .window(session({ gapMs: minutes(1), allowedLatenessMs: minutes(2) }))
  .aggregate({ times: count() })
  .emit(peals, ({ key, values }) => pealed({ bell: key, ...values }));

void test("a pipeline runs on a virtual clock, with crashes, redelivery and another order", async () => {
  const now = new Date("2026-05-01T12:00:00Z");
  const run = testPipeline(pealing, { now });
  const at = (second) => ({ ...rang({ bell: "big" }), time: new Date(now.getTime() - minutes(30) + second * 1_000) });
  run.reorder({ withinMs: minutes(2) });
  await run.send([0, 40, 80, 300].map(at));
  run.redeliver();
  run.crash({ call: "commit", when: "before" });
  const { rows, audit } = await run.advance(minutes(60));
  assert.deepEqual(
    rows.to.map(({ data }) => data),
    [
      { bell: "big", times: 3 },
      { bell: "big", times: 1 },
    ],
  );
  assert.equal(audit.duplicate, 4);
  assert.equal(audit.balanced, true);
});

void test("a fold's rules are told by given, when, then", () => {
  const jar = testFold({
    initial: { cents: 0 },
    decide: ({ cents }, paid) => (paid > 0 ? [{ cents: cents + paid }] : drop("no money")),
    evolve: (_, { cents }) => ({ cents }),
  });
  jar.given(600).when(400).thenDecided({ cents: 1_000 }).thenState({ cents: 1_000 });
});

void test("what does not hold fails", () => {
  const same = testFold({ initial: 0, decide: (_, n) => [n], evolve: (_, n) => n });
  assert.throws(() => same.when(1).thenState(2), assert.AssertionError);
});
