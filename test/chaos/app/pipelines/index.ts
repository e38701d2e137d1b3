/**
 * The application that the chaos suite breaks: every event becomes a row that says whether it came in its turn.
 * Release 2 is what a deploy in mid-stream brings: one column more, filled in.
 */
import {
  type App,
  aggregates,
  c,
  clickhouse,
  defineAggregate,
  defineApp,
  defineEvent,
  defineStream,
  defineTable,
  pipeline,
} from "headrace";
import { z } from "zod";

const release = Number(process.env["CHAOS_RELEASE"] ?? "1");

/** `n` counts the events of one user, from 1. `orders` tells the pipeline to misbehave. */
export const loginRecorded = defineEvent(
  "login.recorded",
  z.object({ userId: z.string(), n: z.int(), orders: z.enum(["obey", "throw", "die"]) }),
  { key: (data) => data.userId },
);

export const logins = defineStream("logins", { events: [loginRecorded], partitions: 4 });
/** The same events, one an entry, written by a program that knows nothing of Headrace. */
const adopted = defineStream("app-logins", { events: [loginRecorded], adopt: "app:logins" });

const columns = { event_id: c.uuid(), user_id: c.string(), n: c.int32(), at: c.dateTime64(3), release: c.int32() } as const;
const columnsOf2 = { ...columns, note: c.string().default("") };

/** One row an event, cut by the day: a batch may span two. */
const landed = defineTable("landed", {
  columns: release > 1 ? columnsOf2 : (columns as typeof columnsOf2),
  orderBy: ["user_id", "at", "event_id"],
  partitionBy: { unit: "day", column: "at" },
});

/** One row each time that an event is written, with the place at which it came: what FINAL would hide. */
const writings = defineTable("writings", {
  columns: { event_id: c.uuid(), user_id: c.string(), n: c.int32(), place: c.string(), pid: c.int32() },
  engine: { kind: "mergeTree" },
  orderBy: ["user_id", "n"],
});

const users = defineAggregate("users", {
  from: landed,
  groupBy: ["user_id"],
  columns: { events: aggregates.uniqExact("event_id"), last: aggregates.max("n") },
});

interface Turn {
  readonly last: number;
  /** Every `n` that was seen, as ranges `[from, to]`, the newest last. */
  readonly seen: readonly (readonly [number, number])[];
}

const nothingSeen: Turn = { last: 0, seen: [] };

/** `next`: in its turn; `again`: was there before; `resumed`: nothing is known of the user; `gap`, `behind`: out of its turn. */
function placeOf({ last, seen }: Turn, n: number): "next" | "again" | "resumed" | "gap" | "behind" {
  if (n === last + 1) return "next";
  if (seen.some(([from, to]) => from <= n && n <= to)) return "again";
  if (last === 0) return "resumed";
  return n > last ? "gap" : "behind";
}

function advance({ last, seen }: Turn, n: number): Turn {
  const open = seen.at(-1);
  if (open && n === open[1] + 1) return { last: n, seen: [...seen.slice(0, -1), [open[0], n]] };
  return { last: Math.max(last, n), seen: [...seen, [n, n]] };
}

const sink = { timeoutMs: 3_000, retry: { initialMs: 50, maxMs: 1_000 } } as const;

export const chaos = pipeline("chaos")
  .from(logins, adopted)
  .fold("turn", {
    key: (event) => event.data.userId,
    initial: nothingSeen,
    decide: (turn, { id, time, data }) => {
      if (data.orders === "throw") throw new Error(`told to throw by ${id}`);
      if (data.orders === "die") process.kill(process.pid, "SIGKILL");
      return [{ id, time, data, place: placeOf(turn, data.n) }];
    },
    evolve: (turn, { place, data }) => (place === "again" ? turn : advance(turn, data.n)),
  })
  .route({ landed: clickhouse(landed, sink), writings: clickhouse(writings, sink) }, ({ id, time, data, place }, to) => {
    const row = { event_id: id, user_id: data.userId, n: data.n };
    return [
      to.landed({ ...row, at: time, release, note: release > 1 ? "of release 2" : undefined }),
      to.writings({ ...row, place, pid: process.pid }),
    ];
  });

export const app: App = defineApp({ pipelines: [chaos], tables: [users] });
