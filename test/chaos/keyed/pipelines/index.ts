/**
 * The application that the chaos suite breaks to see whether keyed state is exact: the reference application's own folds and session
 * windows, and windows and timers over readings of meters, each of which writes one row a result and tells it on a stream.
 */
import {
  type App,
  c,
  clickhouse,
  count,
  defineApp,
  defineEvent,
  defineStream,
  defineTable,
  distinct,
  max,
  min,
  minutes,
  pipeline,
  type RowOf,
  seconds,
  session,
  sum,
  toStream,
  tumbling,
  type WindowOf,
} from "headrace";
import { z } from "zod";
import { carts } from "../../../../pipelines/carts.ts";
import { loginAnalytics } from "../../../../pipelines/login-analytics.ts";
import { loginAttacks } from "../../../../pipelines/login-attacks.ts";
import { loginFailures } from "../../../../pipelines/login-failures.ts";
import { derived } from "../../../../pipelines/tables.ts";

export const readingTaken = defineEvent(
  "reading.taken",
  z.object({ meter: z.string(), units: z.int().nonnegative(), place: z.string() }),
  { key: (data) => data.meter },
);
export const readings = defineStream("readings", { events: [readingTaken], partitions: 4 });

const resultFound = defineEvent("result.found", z.object({ text: z.string() }), { key: (data) => data.text });
export const results = defineStream("results", { events: [resultFound], partitions: 2 });

/** Every column is part of the key: a result that came out twice with other values would be two rows. */
const names = ["kind", "meter", "since", "until", "readings", "units", "least", "most", "places"] as const;
const meterResults = defineTable("meter_results", {
  columns: {
    kind: c.string(),
    meter: c.string(),
    since: c.dateTime64(3),
    until: c.dateTime64(3),
    readings: c.int32(),
    units: c.int32(),
    least: c.int32(),
    most: c.int32(),
    places: c.int32(),
  },
  orderBy: names,
});
type ResultRow = RowOf<typeof meterResults>;

/** How the results are cut. Events come out of order by less than `allowedLatenessMs`. */
export const cut = {
  gapMs: minutes(2),
  sizeMs: minutes(5),
  reportMs: minutes(7),
  allowedLatenessMs: minutes(10),
} as const;

const sinks = { rows: clickhouse(meterResults), told: toStream(results) } as const;
const told = (row: ResultRow) => resultFound({ text: names.map((name) => textOf(row[name])).join("|") });
const textOf = (value: unknown) => (value instanceof Date ? value.getTime() : value);

/** Event time goes on after two seconds in which nothing comes: killed services must not be waited for for half a minute. */
const metered = (name: string) =>
  pipeline(name)
    .from(readings, { idleMs: seconds(2) })
    .dedupe("once")
    .keyBy((event) => event.data.meter);

const { allowedLatenessMs } = cut;
interface Reading {
  readonly data: { readonly units: number; readonly place: string };
}
const aggregators = {
  readings: count(),
  units: sum<Reading>((event) => event.data.units),
  least: min<Reading>((event) => event.data.units),
  most: max<Reading>((event) => event.data.units),
  places: distinct<Reading>((event) => event.data.place),
};
interface Gathered extends Pick<ResultRow, "readings" | "units" | "places"> {
  readonly least: number | null;
  readonly most: number | null;
}
const rowOf = (kind: string, { key, start, end, values }: WindowOf<Gathered>): ResultRow => {
  const { least, most, ...rest } = values;
  return { kind, meter: key, since: start, until: end, ...rest, least: least ?? -1, most: most ?? -1 };
};

/** Readings of a meter with no more than `gapMs` between two of them. */
const tours = metered("tours")
  .window(session({ gapMs: cut.gapMs, allowedLatenessMs }))
  .aggregate(aggregators)
  .map("row", (window) => rowOf("tour", window))
  .route(sinks, (row, to) => [to.rows(row), to.told(told(row))]);

/** Readings of a meter by the five minutes in which they were taken. */
const spans = metered("spans")
  .window(tumbling({ sizeMs: cut.sizeMs, allowedLatenessMs }))
  .aggregate(aggregators)
  .map("row", (window) => rowOf("span", window))
  .route(sinks, (row, to) => [to.rows(row), to.told(told(row))]);

interface Taken {
  readonly kind: "taken";
  readonly meter: string;
  readonly at: number;
  readonly units: number;
  readonly place: string;
}
interface Reported {
  readonly kind: "reported";
  readonly row: ResultRow;
  readonly until: number;
}
type Due = Omit<Taken, "kind">;

/** A fold with a timer: from the first reading on it waits for `reportMs`, and reports what was taken meanwhile; then it begins anew. */
const reports = metered("reports")
  .fold("report", {
    initial: [] as readonly Due[],
    allowedLatenessMs,
    decide: (_, { time, data }): readonly (Taken | Reported)[] => [{ kind: "taken", at: time.getTime(), ...data }],
    onTimer: (due, { at }) => [reportOf(due, at.getTime())],
    evolve: (due, decided) => {
      if (decided.kind === "taken") {
        const { kind: _, ...one } = decided;
        return [...due, one];
      }
      const rest = due.filter(({ at }) => at >= decided.until);
      return rest.length > 0 ? rest : null;
    },
    timers: (due) =>
      due.length > 0 ? { report: { clock: "event", at: new Date(Math.min(...due.map(({ at }) => at)) + cut.reportMs) } } : {},
  })
  .flatMap("reported", (decided) => (decided.kind === "reported" ? [decided.row] : []))
  .route(sinks, (row, to) => [to.rows(row), to.told(told(row))]);

function reportOf(due: readonly Due[], at: number): Reported {
  const taken = due.filter((one) => one.at < at);
  const units = taken.map((one) => one.units);
  const row = {
    kind: "report",
    meter: taken[0]?.meter ?? "",
    since: new Date(at - cut.reportMs),
    until: new Date(at),
    readings: taken.length,
    units: units.reduce((all, one) => all + one, 0),
    least: Math.min(...units),
    most: Math.max(...units),
    places: new Set(taken.map(({ place }) => place)).size,
  };
  return { kind: "reported", row, until: at };
}

export const app: App = defineApp({
  pipelines: [loginAnalytics, loginFailures, loginAttacks, carts, tours, spans, reports],
  tables: derived.filter(({ plan }) => plan.name !== "orders"),
});
