/** A fold keeps a state for each key. It moves in the same step as the ack: once for each event, whatever crashes. */
import { defineEvent, defineStream, drop, minutes, pipeline } from "headrace";
import { testPipeline } from "headrace/testing";
import { expect, test } from "vitest";
import { z } from "zod";

const paid = defineEvent("jar.paid", z.object({ jar: z.string(), cents: z.int() }), { key: (data) => data.jar });
const jars = defineStream("jars", { events: [paid] });
const filled = defineEvent("jar.filled", z.object({ jar: z.string(), cents: z.int() }));
const forgotten = defineEvent("jar.forgotten", z.object({ jar: z.string(), cents: z.int() }));
const news = defineStream("jar-news", { events: [filled, forgotten] });

interface Change {
  readonly kind: "paid" | "filled" | "forgotten";
  readonly jar: string;
  readonly total: number;
}

const filling = pipeline("filling")
  .from(jars)
  .dedupe("once")
  .keyBy((event) => event.data.jar)
  .fold("jar", {
    initial: { jar: "", total: 0, touched: 0 },
    // What follows from an event, seen the state. Nothing moves here.
    decide: (state, event): readonly Change[] | ReturnType<typeof drop> => {
      if (event.data.cents <= 0) return drop("no money");
      const total = state.total + event.data.cents;
      const { jar } = event.data;
      return [{ kind: "paid", jar, total }, ...(total >= 1_000 ? [{ kind: "filled", jar, total } as const] : [])];
    },
    // What follows from a timer.
    onTimer: ({ jar, total }): readonly Change[] => [{ kind: "forgotten", jar, total }],
    // How the state moves on; null forgets it.
    evolve: (state, { kind, jar, total }) => (kind === "paid" ? { jar, total, touched: state.touched + 1 } : null),
    timers: ({ touched }) => ({ rest: { clock: "processing", at: new Date(start + minutes(60) * touched) } }),
  })
  .filter("news", ({ kind }) => kind !== "paid")
  .emit(news, ({ kind, jar, total }) => (kind === "filled" ? filled({ jar, cents: total }) : forgotten({ jar, cents: total })));

const start = Date.UTC(2026, 4, 1, 12);
const told = (rows: readonly Readonly<Record<string, unknown>>[] = []) => rows.map((row) => [row["type"], row["data"]]);

test("given, when, then", async () => {
  const run = testPipeline(filling, { now: new Date(start) });
  await run.send([paid({ jar: "tips", cents: 600 })]);
  await run.run();
  expect(await run.state("tips")).toMatchObject([{ stage: "jar", state: { total: 600 }, timers: [{ timer: "rest" }] }]);
  await run.send([paid({ jar: "tips", cents: 400 })]);
  const { rows } = await run.run();
  expect(told(rows["to"])).toEqual([["jar.filled", { jar: "tips", cents: 1_000 }]]);
  expect(await run.state("tips")).toEqual([]);
});

test("what is sent twice counts once, also where the worker dies in between", async () => {
  const run = testPipeline(filling, { now: new Date(start) });
  const coin = { id: "coin-1", ...paid({ jar: "tips", cents: 500 }) };
  await run.send([coin, coin]);
  run.crash({ call: "commit", when: "after" });
  await run.run();
  await run.send([coin]);
  const { audit } = await run.run();
  expect(await run.state("tips")).toMatchObject([{ state: { total: 500 } }]);
  expect(audit).toMatchObject({ read: 3, duplicate: 2, balanced: true });
});

test("a timer fires when nothing else happens", async () => {
  const run = testPipeline(filling, { now: new Date(start) });
  await run.send([paid({ jar: "lost", cents: 5 })]);
  expect(told((await run.advance(minutes(59))).rows["to"])).toEqual([]);
  const { rows, audit } = await run.advance(minutes(2));
  expect(told(rows["to"])).toEqual([["jar.forgotten", { jar: "lost", cents: 5 }]]);
  expect(audit).toMatchObject({ read: 1, emitted: 1, balanced: true });
});
