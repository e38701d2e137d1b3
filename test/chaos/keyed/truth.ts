import { cut } from "./pipelines/index.ts";
import type { Sent } from "./traffic.ts";
import { type CartData, cartBooks } from "./truth-of-carts.ts";

/** What must come out, as lines: one for each row, state, workflow and derived event. */
export type Books = Readonly<Record<(typeof parts)[number], readonly string[]>>;

export const parts = ["logins", "sessions", "attacks", "history", "carts", "checkouts", "results", "told", "noted"] as const;

export const line = (...cells: readonly unknown[]): string => cells.map(String).join("|");

interface Reading {
  readonly at: number;
  readonly units: number;
  readonly place: string;
}

const minFailures = 5;
const burstGapMs = 300_000;

/** Counts all of it anew, from what was sent, by loops that share nothing with the framework or its pipelines. */
export function recount(arrivals: readonly Sent[]): Books {
  const events = [...new Map(arrivals.map((sent) => [sent.id, sent])).values()];
  const logins = events.filter(({ stream }) => stream === "logins" || stream === "app-logins");
  const failures = logins.filter(({ event }) => event.type === "login.failed");
  const results = resultsOf(events.filter(({ stream }) => stream === "readings"));
  return {
    logins: logins.map(({ id, event: { type, time, data } }) => line(id, (data as Login).userId, outcomes[type], time.getTime())),
    sessions: sessionsOf(logins),
    attacks: [...attacksOf("user", failures, ({ userId }) => userId), ...attacksOf("address", failures, ({ ip }) => ip)],
    ...cartBooks(
      arrivals.flatMap(({ stream, id, event: { type, time, data } }) =>
        stream === "carts" ? [{ id, type, at: time.getTime(), data: data as CartData }] : [],
      ),
    ),
    results,
    told: results,
    noted: failures.flatMap(({ event: { data } }) => [line("user", (data as Login).userId), line("address", (data as Login).ip)]),
  };
}

interface Login {
  readonly userId: string;
  readonly ip: string;
  readonly sessionId: string;
}

const outcomes: Readonly<Record<string, string>> = {
  "login.succeeded": "success",
  "login.failed": "failure",
  "login.ended": "ended",
};

function sessionsOf(logins: readonly Sent[]): readonly string[] {
  const begins = new Map<string, number>();
  const ends = new Map<string, number>();
  for (const { event } of logins) {
    const { userId, sessionId } = event.data as Login;
    const key = line(userId, sessionId);
    const at = event.time.getTime();
    if (event.type === "login.succeeded") begins.set(key, Math.min(at, begins.get(key) ?? at));
    if (event.type === "login.ended") ends.set(key, Math.max(at, ends.get(key) ?? at));
  }
  return [...begins].map(([key, begin]) => {
    const end = ends.get(key);
    return line(key, begin, end === undefined ? "null" : Math.max(0, end - begin));
  });
}

function attacksOf(kind: string, failures: readonly Sent[], subjectOf: (data: Login) => string): readonly string[] {
  const times = grouped(failures, ({ event }) => subjectOf(event.data as Login));
  return [...times].flatMap(([subject, of]) =>
    runs(of, ({ event }) => event.time.getTime(), burstGapMs)
      .filter(({ length }) => length >= minFailures)
      .map((run) => line(kind, subject, run[0]?.event.time.getTime(), run.at(-1)?.event.time.getTime(), run.length)),
  );
}

/** Windows, sessions and reports of each meter. What belongs to the closing events is never final. */
function resultsOf(sent: readonly Sent[]): readonly string[] {
  const byMeter = grouped(sent, ({ event }) => (event.data as { readonly meter: string }).meter);
  return [...byMeter].flatMap(([meter, of]) => {
    const taken = of
      .map(({ event }): Reading => ({ ...(event.data as Omit<Reading, "at">), at: event.time.getTime() }))
      .sort((one, other) => one.at - other.at);
    const tours = runs(taken, ({ at }) => at, cut.gapMs).map((run) => result(["tour", meter, run[0]?.at, run.at(-1)?.at], run));
    const spans = [...grouped(taken, ({ at }) => at - (at % cut.sizeMs))].map(([start, run]) =>
      result(["span", meter, start, start + cut.sizeMs], run),
    );
    const reports: string[] = [];
    for (let rest = taken; rest[0] !== undefined; ) {
      const since = rest[0].at;
      const until = since + cut.reportMs;
      const run = rest.filter(({ at }) => at < until);
      reports.push(result(["report", meter, since, until], run));
      rest = rest.slice(run.length);
    }
    return [...tours, ...spans, ...reports];
  });
}

function result(head: readonly unknown[], run: readonly Reading[]): string {
  const units = run.map((one) => one.units);
  const sum = units.reduce((all, one) => all + one, 0);
  const places = new Set(run.map(({ place }) => place)).size;
  return line(...head, run.length, sum, Math.min(...units), Math.max(...units), places);
}

/** Cuts what is sorted by time wherever more than the gap lies between two. */
function runs<One>(all: readonly One[], timeOf: (one: One) => number, gapMs: number): readonly (readonly One[])[] {
  const cutUp: One[][] = [];
  for (const one of all.toSorted((a, b) => timeOf(a) - timeOf(b))) {
    const last = cutUp.at(-1);
    if (last && timeOf(one) - timeOf(last.at(-1) as One) <= gapMs) last.push(one);
    else cutUp.push([one]);
  }
  return cutUp;
}

function grouped<One, Key>(all: readonly One[], keyOf: (one: One) => Key): ReadonlyMap<Key, readonly One[]> {
  const groups = new Map<Key, One[]>();
  for (const one of all) {
    const group = groups.get(keyOf(one));
    if (group) group.push(one);
    else groups.set(keyOf(one), [one]);
  }
  return groups;
}
