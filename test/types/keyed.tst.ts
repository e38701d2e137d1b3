import {
  aggregator,
  collect,
  count,
  defineEvent,
  defineStream,
  distinct,
  type Event,
  first,
  hopping,
  type Joined,
  max,
  type PipelineBuilder,
  pipeline,
  quantiles,
  session,
  sum,
  topK,
  tumbling,
  type WindowOf,
} from "headrace";
import { describe, expect, test } from "tstyche";
import { z } from "zod";

const refused = defineEvent("door.refused", z.object({ door: z.string(), badge: z.string() }), { key: (data) => data.door });
const opened = defineEvent("door.opened", z.object({ door: z.string(), ms: z.number() }), { key: (data) => data.door });
const alarmed = defineEvent("door.alarmed", z.object({ door: z.string() }), { key: (data) => data.door });
const doors = defineStream("doors", { events: [refused, opened] });
const alarms = defineStream("alarms", { events: [alarmed] });
type Door = Event<"door.refused", { door: string; badge: string }> | Event<"door.opened", { door: string; ms: number }>;
const source = pipeline("doors").from(doors);
const keyed = source.keyBy((event) => event.data.door);

describe("windows", () => {
  test("exist only behind a key", () => {
    expect(source).type.not.toHaveProperty("window");
    expect(keyed).type.toHaveProperty("window");
  });

  test("have the results of their aggregators by name, whose functions see the value", () => {
    const results = keyed.window(tumbling({ sizeMs: 1_000 })).aggregate({
      times: count(),
      doors: distinct((event) => event.data.door),
      longest: max((event) => (event.type === "door.opened" ? event.data.ms : 0)),
      total: sum((event) => event.time.getTime()),
      often: topK(3, (event) => event.type),
      spread: quantiles((event) => event.time.getTime(), [0.5]),
      begin: first((event) => event.type),
      some: collect(3, (event) => event.id),
    });
    expect(results).type.toBe<
      PipelineBuilder<
        WindowOf<{
          readonly times: number;
          readonly doors: number;
          readonly longest: number | null;
          readonly total: number;
          readonly often: readonly { readonly value: string; readonly count: number }[];
          readonly spread: readonly (number | null)[];
          readonly begin: "door.refused" | "door.opened" | null;
          readonly some: readonly string[];
        }>
      >
    >();
  });

  test("take aggregators of one's own", () => {
    const longest = aggregator({
      does: "longest",
      init: () => 0,
      add: (most: number, event: Door) => Math.max(most, event.data.door.length),
      merge: (one, other) => Math.max(one, other),
      result: (most) => ({ most }),
    });
    expect(keyed.window(session({ gapMs: 1_000 })).aggregate({ longest })).type.toBe<
      PipelineBuilder<WindowOf<{ readonly longest: { most: number } }>>
    >();
  });

  test("follow the clock of a zone where they lie side by side", () => {
    const day = { sizeMs: 86_400_000, timeZone: "Europe/Berlin" };
    expect(tumbling).type.toBeCallableWith(day);
    expect(hopping).type.toBeCallableWith({ sizeMs: 2, hopMs: 1, offsetMs: -1 });
    expect(hopping).type.not.toBeCallableWith({ ...day, hopMs: 3_600_000 });
    expect(session).type.not.toBeCallableWith({ gapMs: 1, offsetMs: 1 });
  });

  test("know the columns of no other value", () => {
    // @ts-expect-error Property 'gate' does not exist
    keyed.window(tumbling({ sizeMs: 1_000 })).aggregate({ gates: distinct((event) => event.data.gate) });
  });

  test("send late values where their stream takes them", () => {
    const windowed = keyed.window(tumbling({ sizeMs: 1_000 }));
    expect(windowed.late(alarms, (event) => alarmed({ door: event.data.door }))).type.toBe<typeof windowed>();
    // @ts-expect-error The stream carries no 'door.opened'
    windowed.late(alarms, () => opened({ door: "d", ms: 1 }));
  });
});

describe("folds behind a key", () => {
  test("need none of their own, and may forget their state", () => {
    const folded = keyed.fold("count", {
      initial: { n: 0 },
      decide: ({ n }, event) => [{ n: n + 1, type: event.type }],
      evolve: (_, { n }) => (n > 5 ? null : { n }),
      timers: ({ n }) => ({ idle: { clock: "event", at: new Date(n) } }),
      onTimer: ({ n }, { name }) => [{ n, type: name === "idle" ? ("door.opened" as const) : ("door.refused" as const) }],
    });
    expect(folded).type.toBe<PipelineBuilder<{ n: number; type: "door.refused" | "door.opened" }>>();
  });
});

describe("joins", () => {
  test("pair what is kept of both sides", () => {
    expect(
      keyed.join("both", {
        left: (event) => (event.type === "door.refused" ? event.data.badge : undefined),
        right: (event) => (event.type === "door.opened" ? event.data.ms : undefined),
        beforeMs: 0,
        afterMs: 1_000,
      }),
    ).type.toBe<PipelineBuilder<Joined<string, number>>>();
  });
});

describe("dedupe", () => {
  test("changes no type", () => {
    expect(source.dedupe("once", { horizonMs: 1_000 })).type.toBe<PipelineBuilder<Door>>();
  });
});
