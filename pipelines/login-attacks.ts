import { clickhouse, count, days, drop, hours, minutes, pipeline, session, toStream } from "headrace";
import { attackSuspected } from "./events.ts";
import { alerts, loginFailures } from "./streams.ts";
import { loginBursts } from "./tables.ts";

/** From so many failures on a burst is an attack. */
const minFailures = 5;
const gapMs = minutes(5);

/**
 * Failures of one user, or from one address, with no gap over five minutes between two of them. Each that makes a burst longer is told
 * at once; one that was late may put two bursts together, or begin one earlier.
 */
export const loginAttacks = pipeline("login-attacks")
  .from(loginFailures)
  .dedupe("once", { horizonMs: days(1) })
  .keyBy(({ key }) => key)
  .window(session({ name: "bursts", gapMs, allowedLatenessMs: hours(24), early: true }))
  .aggregate({ failures: count() })
  .filter("attacks", ({ values }) => values.failures >= minFailures)
  .fold("alarm", {
    key: ({ key }) => key,
    initial: { until: 0 },
    decide: ({ until }, burst) =>
      burst.pane === "final"
        ? drop("told")
        : [{ ...burst, isNew: burst.pane === "early" && burst.start.getTime() > until + gapMs }],
    evolve: ({ until }, { pane, end }) => ({ until: pane === "early" ? Math.max(until, end.getTime()) : until }),
    ttlMs: days(2),
  })
  .route({ bursts: clickhouse(loginBursts), alerts: toStream(alerts) }, ({ key, start, end, pane, values, isNew }, to) => {
    const [kind, subject] = subjectOf(key);
    const row = to.bursts({
      kind,
      subject,
      since: start,
      until: end,
      failures: values.failures,
      version: pane === "retracted" ? retracted : values.failures,
    });
    if (!isNew) return row;
    const who = kind === "user" ? { userId: subject } : { ip: subject };
    return [row, to.alerts(attackSuspected({ ...who, since: start.toISOString(), failures: values.failures }, { time: end }))];
  });

/** The version of a burst that has become part of an earlier one: the last there is. */
const retracted = 2 ** 32 - 1;

function subjectOf(key: string): readonly [kind: "user" | "address", subject: string] {
  const [kind = ""] = key.split("/", 1);
  return [kind === "user" ? "user" : "address", key.slice(kind.length + 1)];
}
