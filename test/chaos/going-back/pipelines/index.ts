/** Pipelines of every kind that keeps or makes something: what they keep says which events they counted, and how often. */
import {
  type App,
  c,
  clickhouse,
  count,
  defineApp,
  defineEvent,
  defineRollup,
  defineStream,
  defineTable,
  hours,
  pipeline,
  rollups,
  seconds,
  startWorkflow,
  sum,
  toStream,
  tumbling,
} from "headrace";
import { z } from "zod";
import { note } from "../workflows/index.ts";
import { data, notes, seenOnce } from "./streams.ts";

export { notes } from "./streams.ts";

export const counted = defineEvent("number.counted", data, { key: ({ key }) => key });
const copied = defineEvent("number.copied", data, { key: ({ key }) => key });
const spanned = defineEvent("span.counted", z.object({ key: z.string(), start: z.int(), numbers: z.int(), total: z.int() }), {
  key: ({ key }) => key,
});
export const numbers = defineStream("numbers", { events: [counted], partitions: 2 });
export const copies = defineStream("copies", { events: [copied], partitions: 2 });
export const spans = defineStream("spans", { events: [spanned], partitions: 2 });

/** One row a number: which of the sums came last does not matter here. */
const sums = defineTable("sums", { columns: { event_id: c.uuid(), n: c.int32() }, orderBy: ["event_id"] });
const row = ({ id, n }: { readonly id: string; readonly n: number }) => ({ event_id: id, n });

const seen = {
  initial: [] as readonly number[],
  decide: (_: readonly number[], { id, data: { n } }: { readonly id: string; readonly data: { readonly n: number } }) => [
    { id, n },
  ],
  evolve: (all: readonly number[], { n }: { readonly n: number }) => [...all, n],
};

const folded = pipeline("folded")
  .from(numbers)
  .keyBy((event) => event.data.key)
  .fold("seen", seen)
  .to(clickhouse(sums), row);

const once = pipeline("once")
  .from(numbers)
  .dedupe("once")
  .keyBy((event) => event.data.key)
  .fold(seenOnce, seen)
  .to(clickhouse(sums), row);

export const copying = pipeline("copying")
  .from(numbers)
  .dedupe("once")
  .emit(copies, ({ data }) => copied(data));

const foldedCopies = pipeline("folded-copies")
  .from(copies)
  .keyBy((event) => event.data.key)
  .fold("seen", seen)
  .to(clickhouse(sums), row);

export const spanMs = 500;

const spanning = pipeline("spanning")
  .from(numbers, { idleMs: seconds(2) })
  .dedupe("once")
  .keyBy((event) => event.data.key)
  .window(tumbling({ sizeMs: spanMs, allowedLatenessMs: seconds(4) }))
  .aggregate({ numbers: count(), total: sum((event: { readonly data: { readonly n: number } }) => event.data.n) })
  .to(toStream(spans), ({ key, start, values }) => spanned({ key, start: start.getTime(), ...values }));

/** One number of so many has a saga. */
const perSaga = 40;
export const startsSaga = (n: number): boolean => n % perSaga === 0;
export const sagaId = (n: number): string => `note-${n}`;

const starting = pipeline("starting")
  .from(numbers)
  .filter("has a saga", ({ data }) => startsSaga(data.n))
  .to(startWorkflow(note, { taskQueue: "notes", workflowId: ({ n }) => sagaId(n) }), ({ data }) => data);

const foldedNotes = pipeline("folded-notes")
  .from(notes)
  .dedupe("once")
  .keyBy((event) => event.data.key)
  .fold("seen", seen)
  .to(clickhouse(sums), row);

/** A bucket has a few numbers that are sent together, and is not touched again: nothing but its mark has it counted. */
const perBucket = 32;
const beginning = Date.UTC(2026, 0, 1);

export const seenNumbers = defineTable("seen_numbers", {
  columns: { event_id: c.uuid(), n: c.int32(), at: c.dateTime64(3) },
  orderBy: ["at", "event_id"],
  partitionBy: { unit: "day", column: "at" },
});
export const numbersByHour = defineRollup("numbers_by_hour", {
  from: seenNumbers,
  time: "at",
  every: "hour",
  columns: { numbers: rollups.count() },
});

const rolling = pipeline("rolling")
  .from(numbers)
  .to(clickhouse(seenNumbers), ({ id, data: { n } }) => ({
    event_id: id,
    n,
    at: new Date(beginning + Math.floor(n / perBucket) * hours(1)),
  }));

export const pipelines = [folded, once, copying, foldedCopies, spanning, starting, foldedNotes, rolling];
export const app: App = defineApp({ pipelines });
