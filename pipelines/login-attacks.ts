import { clickhouse, count, days, drop, hours, minutes, pipeline, session, toStream } from "headrace";
import { attackSuspected } from "./events.ts";
import { alerts, loginFailures } from "./streams.ts";
import { loginBursts } from "./tables.ts";

/** From so many failures on a burst is an attack. */
const minFailures = 5;
const gapMs = minutes(5);

type Span = readonly [start: number, end: number];

/** The attacks on, or by, a subject that were told of, in rising order: one that is older than the newest may come late, and is news too. */
interface Alarm {
  readonly told: readonly Span[];
}

const noneTold: Alarm = { told: [] };
/** Far more than a day has room for, unless somebody is at it all day long. */
const remembered = 100;

const spanOf = ({ start, end }: { readonly start: Date; readonly end: Date }): Span => [start.getTime(), end.getTime()];
const meets = (one: Span, other: Span): boolean => one[0] <= other[1] + gapMs && other[0] <= one[1] + gapMs;

/** With a span more, which makes one of all that it meets. */
function withSpan(told: readonly Span[], span: Span): readonly Span[] {
  const met = [span, ...told.filter((one) => meets(one, span))];
  const whole: Span = [Math.min(...met.map(([start]) => start)), Math.max(...met.map(([, end]) => end))];
  return [...told.filter((one) => !meets(one, span)), whole].sort(([one], [other]) => one - other).slice(-remembered);
}

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
    initial: noneTold,
    decide: ({ told }, burst) =>
      burst.pane === "final"
        ? drop("told")
        : [{ ...burst, isNew: burst.pane === "early" && !told.some((one) => meets(one, spanOf(burst))) }],
    evolve: (alarm, burst) => (burst.pane === "early" ? { told: withSpan(alarm.told, spanOf(burst)) } : alarm),
    ttlMs: days(2),
    version: 2,
    // Once only the end of the newest one was kept.
    migrate: (alarm): Alarm => ({ told: [[0, (alarm as { readonly until: number }).until]] }),
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
