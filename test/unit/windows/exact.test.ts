import {
  collect,
  count,
  distinct,
  distinctApprox,
  first,
  hopping,
  last,
  max,
  mean,
  min,
  pipeline,
  quantiles,
  seconds,
  session,
  sum,
  topK,
  tumbling,
  type WindowSpec,
} from "headrace";
import { everyLife, type Life } from "headrace/testing";
import { describe, expect, it } from "vitest";
import { type Happening, happening, happenings, latenessMs, logs, made, makings, shuffledMs } from "../../support/logs.ts";
import { casesOf } from "../../support/long-form.ts";

/** Lives of each property. */
const runs = casesOf({ few: 150, many: 2_000 });

const number = (event: { readonly data: { readonly n: number } }) => event.data.n;
const all = {
  count: count(),
  sum: sum(number),
  min: min(number),
  max: max(number),
  mean: mean(number),
  distinct: distinct(number),
  distinctApprox: distinctApprox(number),
  top: topK(2, number),
  quantiles: quantiles(number, [0, 0.5, 0.95, 1]),
  first: first(number),
  last: last(number),
  some: collect(3, number),
};

const windows = (spec: WindowSpec) =>
  pipeline("windows")
    .from(happenings, { idleMs: 1 })
    .dedupe("once")
    .keyBy((event) => event.data.key)
    .window(spec)
    .aggregate(all)
    .emit(makings, ({ key, start, end, pane, values }) =>
      made({ key, start: start.getTime(), end: end.getTime(), pane, ...values }),
    );

/** What a plain recount makes of the events of one window. */
function recount(events: readonly Happening[]) {
  // The order of events with one time is that of their ids in the log, which are hashes.
  const numbers = events.map(({ n }) => n).sort((a, b) => a - b);
  const counts = new Map<number, number>();
  for (const n of numbers) counts.set(n, (counts.get(n) ?? 0) + 1);
  const total = numbers.reduce((a, b) => a + b, 0);
  return {
    count: numbers.length,
    sum: total,
    min: numbers[0],
    max: numbers.at(-1),
    mean: total / numbers.length,
    distinct: counts.size,
    distinctApprox: counts.size,
    top: [...counts]
      .map(([n, times]) => ({ value: String(n), count: times }))
      .sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1))
      .slice(0, 2),
    quantiles: [0, 0.5, 0.95, 1].map((q) => numbers[Math.floor(q * (numbers.length - 1))] as number),
  };
}

interface Window {
  readonly key: string;
  readonly start: number;
  readonly end: number;
  readonly events: readonly Happening[];
}

const near = (actual: unknown, wanted: readonly number[]) =>
  (actual as number[]).every((value, i) => Math.abs(value - (wanted[i] as number)) <= 0.0100001 * Math.abs(wanted[i] as number));

/** The results are those of the windows of a recount: each once, and nothing else. */
function expectWindows({ log, run }: Life, windowsOf: (events: readonly Happening[]) => readonly Omit<Window, "key">[]) {
  const { rows, audit, deadLetters } = run;
  const wanted = ["a", "b", "c"].flatMap((key) =>
    windowsOf(log.map(happening).filter((event) => event.key === key)).map((window) => ({ key, ...window })),
  );
  const results = (rows["to"] ?? []).map(({ data }) => data as Record<string, unknown>);
  const placeOf = ({ key, start }: Record<string, unknown>) => `${key} ${start}`;
  expect(results.map(placeOf).sort()).toEqual(wanted.map((window) => placeOf({ ...window })).sort());
  for (const { key, start, end, events } of wanted) {
    const found = results.find((result) => result["key"] === key && result["start"] === start);
    const { quantiles: expected, ...others } = recount(events);
    expect(found).toMatchObject({ ...others, end, pane: "final" });
    expect(near(found?.["quantiles"], expected)).toBe(true);
    const times = events.map(({ time }) => time);
    const at = (time: number) => events.filter((event) => event.time === time).map(({ n }) => n);
    expect(at(Math.min(...times))).toContain(found?.["first"]);
    expect(at(Math.max(...times))).toContain(found?.["last"]);
    expect(found?.["some"]).toHaveLength(Math.min(3, events.length));
  }
  const ids = (rows["to"] ?? []).map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(deadLetters).toEqual([]);
  expect(audit).toMatchObject({ delivered: log.length, late: 0, balanced: true, inFlight: 0 });
}

const aligned =
  (sizeMs: number, hopMs: number, offsetMs = 0) =>
  (events: readonly Happening[]) => {
    const found = new Map<number, Happening[]>();
    for (const event of events) {
      for (
        let start = Math.floor((event.time - offsetMs) / hopMs) * hopMs + offsetMs;
        start > event.time - sizeMs;
        start -= hopMs
      )
        found.set(start, [...(found.get(start) ?? []), event]);
    }
    return [...found].map(([start, inside]) => ({ start, end: start + sizeMs, events: inside }));
  };

const sessions = (gapMs: number) => (events: readonly Happening[]) => {
  const found: Happening[][] = [];
  for (const event of events.toSorted((a, b) => a.time - b.time)) {
    const current = found.at(-1);
    if (current && event.time - (current.at(-1) as Happening).time <= gapMs) current.push(event);
    else found.push([event]);
  }
  return found.map((inside) => ({ start: inside[0]?.time as number, end: inside.at(-1)?.time as number, events: inside }));
};

const check = (spec: WindowSpec, windowsOf: Parameters<typeof expectWindows>[1]) =>
  everyLife(windows(spec), { logs: logs(), shuffledMs, runs }, (life) => expectWindows(life, windowsOf));

describe("windows give what a recount of the sorted log gives, in whatever order, portions and lives it comes", {
  timeout: 600_000,
}, () => {
  it("tumbling", () => check(tumbling({ sizeMs: seconds(60), allowedLatenessMs: latenessMs }), aligned(60_000, 60_000)));
  it("hopping", () =>
    check(
      hopping({ sizeMs: seconds(60), hopMs: seconds(25), offsetMs: -seconds(7), allowedLatenessMs: latenessMs }),
      aligned(60_000, 25_000, -7_000),
    ));
  it("session", () => check(session({ gapMs: seconds(30), allowedLatenessMs: latenessMs }), sessions(30_000)));
});
