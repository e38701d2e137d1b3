import { count, drop, pipeline, RetryableError, seconds, sum, tumbling } from "headrace";
import { everyLife } from "headrace/testing";
import { describe, expect, it } from "vitest";
import { type Happening, happening, happenings, latenessMs, logs, made, makings, shuffledMs } from "../../support/logs.ts";
import { casesOf } from "../../support/long-form.ts";

/** Lives of each property. */
const runs = casesOf({ few: 150, many: 2_000 });

const sorted = (values: readonly unknown[]) => values.map((value) => JSON.stringify(value)).sort();

describe("keyed stages give what a recount gives, in whatever order, portions and lives a log comes", {
  timeout: 600_000,
}, () => {
  it("a join makes each pair once", async () => {
    const reach = { beforeMs: seconds(10), afterMs: seconds(30) };
    const pairs = pipeline("pairs")
      .from(happenings, { idleMs: 1 })
      .dedupe("once")
      .keyBy((event) => event.data.key)
      .join("near", {
        left: (event) => (event.data.n % 2 === 0 ? event.data.n : undefined),
        right: (event) => (event.data.n % 2 !== 0 ? event.data.n : undefined),
        ...reach,
        allowedLatenessMs: latenessMs,
      })
      .emit(makings, ({ key, left, right }) =>
        made({ key, left: left.value, right: right.value, at: [left.time.getTime(), right.time.getTime()] }),
      );
    await everyLife(pairs, { logs: logs(), shuffledMs, runs }, ({ log, run }) => {
      const { rows, audit } = run;
      const events = log.map(happening);
      const wanted = events.flatMap((left) =>
        events.flatMap((right) => {
          const isPair = left.key === right.key && left.n % 2 === 0 && right.n % 2 !== 0;
          const apart = right.time - left.time;
          return isPair && apart >= -reach.beforeMs && apart <= reach.afterMs
            ? [{ key: left.key, left: left.n, right: right.n, at: [left.time, right.time] }]
            : [];
        }),
      );
      expect(sorted((rows["to"] ?? []).map((row) => row["data"]))).toEqual(sorted(wanted));
      expect(audit).toMatchObject({ late: 0, balanced: true, inFlight: 0 });
    });
  });

  it("a fold behind a dedupe takes each event once, in the order of the log", async () => {
    const totals = pipeline("totals")
      .from(happenings, { idleMs: 1 })
      .dedupe("once")
      .fold("total", {
        key: (event) => event.data.key,
        initial: { ids: [] as readonly string[], total: 0 },
        decide: ({ ids, total }, { id, data }) =>
          data.n < 0 ? drop("negative") : [{ id, key: data.key, total: total + data.n, before: ids.length }],
        evolve: ({ ids }, { id, total }) => ({ ids: [...ids, id], total }),
      })
      .emit(makings, ({ key, total, before }) => made({ key, total, before }));
    await everyLife(totals, { logs: logs(), shuffledMs, runs }, ({ log, sent, run }) => {
      const { rows, audit } = run;
      const events = log.map(happening);
      const seen = new Set<string>();
      const states = new Map<string, { total: number; before: number }>();
      const wanted = sent
        .flat()
        .map(happening)
        .flatMap(({ id, key, n }) => {
          if (seen.has(id)) return [];
          seen.add(id);
          if (n < 0) return [];
          const { total, before } = states.get(key) ?? { total: 0, before: 0 };
          states.set(key, { total: total + n, before: before + 1 });
          return [{ key, total: total + n, before }];
        });
      expect(sorted((rows["to"] ?? []).map((row) => row["data"]))).toEqual(sorted(wanted));
      expect(audit).toMatchObject({
        duplicate: sent.flat().length - events.length,
        dropped: events.some(({ n }) => n < 0) ? { negative: events.filter(({ n }) => n < 0).length } : {},
        balanced: true,
      });
    });
  });

  it("windows hold the same where stages before and behind them ask to be tried again, some at once and some late", async () => {
    const tries = new Map<string, number>();
    let again = 0;
    /** Fails twice for every other event, and then passes. */
    const moody = (id: string) => {
      const tried = tries.get(id) ?? 0;
      tries.set(id, (tried + 1) % 3);
      if (id >= "8" || tried === 2) return;
      again += 1;
      throw new RetryableError("service.unreachable", "not now");
    };
    const sums = pipeline("sums")
      .from(happenings, { idleMs: 1 })
      .map("ask at once", (event) => {
        if (event.data.n % 2 === 0) moody(event.id);
        return event;
      })
      .map("ask", async (event) => {
        if (event.data.n % 2 !== 0) moody(event.id);
        return event;
      })
      .dedupe("once")
      .keyBy((event) => event.data.key)
      .window(tumbling({ sizeMs: seconds(60), allowedLatenessMs: latenessMs }))
      .aggregate({ count: count(), sum: sum((event) => event.data.n) })
      .map("tell", async (window) => {
        moody(`${window.start.getTime() % 7}${window.key}`);
        return window;
      })
      .emit(makings, ({ key, start, values }) => made({ key, start: start.getTime(), ...values }));
    await everyLife(sums, { logs: logs(), shuffledMs, runs }, ({ log, run }) => {
      const wanted = new Map<string, { key: string; start: number; count: number; sum: number }>();
      for (const { key, time, n } of log.map(happening)) {
        const start = Math.floor(time / 60_000) * 60_000;
        const { count, sum } = wanted.get(`${key} ${start}`) ?? { count: 0, sum: 0 };
        wanted.set(`${key} ${start}`, { key, start, count: count + 1, sum: sum + n });
      }
      expect(sorted((run.rows["to"] ?? []).map((row) => row["data"]))).toEqual(sorted([...wanted.values()]));
      expect(run.audit).toMatchObject({ delivered: log.length, late: 0, balanced: true, inFlight: 0 });
    });
    expect(again).toBeGreaterThan(runs);
  });

  it("timers of event time fire once each, for a key that was silent for as long, and the last one always", async () => {
    interface Change {
      readonly kind: "heard" | "silent";
      readonly key: string;
      readonly at: number;
    }
    const silences = pipeline("silences")
      .from(happenings, { idleMs: 1 })
      .dedupe("once")
      .fold("silence", {
        key: (event) => event.data.key,
        initial: { key: "", newest: 0 },
        decide: (_, event): Change[] => [{ kind: "heard", key: event.data.key, at: event.time.getTime() }],
        onTimer: ({ key, newest }) => [{ kind: "silent", key, at: newest }],
        evolve: (state, { kind, key, at }) => (kind === "heard" ? { key, newest: Math.max(state.newest, at) } : state),
        timers: ({ newest }) => ({ silent: { clock: "event" as const, at: new Date(newest + 30_000) } }),
        allowedLatenessMs: latenessMs,
      })
      .filter("silent", ({ kind }) => kind === "silent")
      .emit(makings, ({ key, at }) => made({ key, at }));
    await everyLife(silences, { logs: logs(), shuffledMs, runs }, ({ log, run: { rows } }) => {
      const events = log.map(happening);
      const fired = sorted((rows["to"] ?? []).map((row) => row["data"]));
      expect(new Set(fired).size).toBe(fired.length);
      const isBroken = ({ key, time }: Happening) =>
        events.some((other) => other.key === key && other.time > time && other.time <= time + 30_000);
      const silent = sorted(events.filter((event) => !isBroken(event)).map(({ key, time }) => ({ key, at: time })));
      for (const one of fired) expect(silent).toContain(one);
      for (const key of new Set(events.map((event) => event.key))) {
        const at = Math.max(...events.filter((event) => event.key === key).map(({ time }) => time));
        expect(fired).toContain(JSON.stringify({ key, at }));
      }
    });
  });
});
