import { aggregates, c, defineAggregate, defineRollup, defineTable, defineView, rollups } from "headrace";

export const loginEvents = defineTable("login_events", {
  columns: {
    event_id: c.uuid(),
    user_id: c.string(),
    outcome: c.string().lowCardinality(),
    at: c.dateTime64(3).codec("T64, ZSTD(1)"),
    ip: c.string(),
    session_id: c.string().default(""),
    method: c.string().lowCardinality().default(""),
    reason: c.string().lowCardinality().default(""),
    device: c.string().lowCardinality().default(""),
    country: c.string().lowCardinality().default(""),
    source: c.string().lowCardinality(),
  },
  orderBy: ["user_id", "at", "event_id"],
  partitionBy: { unit: "day", column: "at" },
  ttl: { column: "at", days: 400 },
  codec: "ZSTD(1)",
});

/** When each session was first and last heard of, kept up to date by every insert. */
export const sessionTimes = defineAggregate("session_times", {
  from: loginEvents,
  where: "session_id != ''",
  groupBy: ["user_id", "session_id"],
  columns: {
    started_at: aggregates.min("at", { where: "outcome = 'success'" }),
    logged_out_at: aggregates.max("at", { where: "outcome = 'ended'" }),
    last_at: aggregates.max("at"),
  },
});

/**
 * One row a session that has a login, by user and session id. It begins with its first login and ends with its last logout, whenever that
 * came; a logout dated before the login, by a clock that is behind, ends it where it began, after 0 ms. Without a logout it ends 30 minutes
 * after it was last heard of, and its duration stays unknown.
 */
export const loginSessions = defineView(
  "login_sessions",
  // `greatest` sees no null here: versions of ClickHouse differ in what they make of one.
  `SELECT user_id, session_id, started_at,
          multiIf(logged_out_at IS NOT NULL, greatest(started_at, logged_out_at),
                  last_at + INTERVAL 30 MINUTE <= now64(3), last_at + INTERVAL 30 MINUTE,
                  NULL) AS ended_at,
          if(logged_out_at IS NULL, NULL, dateDiff('millisecond', started_at, ended_at)) AS duration_ms
   FROM session_times
   WHERE started_at IS NOT NULL`,
);

export const loginsByUserDay = defineView(
  "logins_by_user_day",
  `SELECT user_id, toDate(at) AS day,
          countIf(outcome = 'success') AS logins, countIf(outcome = 'failure') AS failed,
          min(at) AS first, max(at) AS last
   FROM login_events FINAL
   GROUP BY user_id, day`,
);

/** Unique users are those who logged in. */
export const loginsByHour = defineView(
  "logins_by_hour",
  `SELECT toStartOfHour(at) AS hour,
          countIf(outcome = 'success') AS logins, countIf(outcome = 'failure') AS failed,
          uniqExactIf(user_id, outcome = 'success') AS unique_users
   FROM login_events FINAL
   GROUP BY hour`,
);

/** How people log in, by hour. Users are those who logged in. */
export const loginMethodsByHour = defineRollup("login_methods_by_hour", {
  from: loginEvents,
  time: "at",
  every: "hour",
  where: "outcome IN ('success', 'failure')",
  groupBy: ["method"],
  columns: {
    logins: rollups.count({ where: "outcome = 'success'" }),
    failed: rollups.count({ where: "outcome = 'failure'" }),
    users: rollups.uniqExact("user_id", { where: "outcome = 'success'" }),
  },
});

/** The sessions whose duration is known, since they were logged out, by the day on which they began. */
export const sessionDurations = defineView(
  "session_durations",
  `SELECT toDate(started_at) AS day, count() AS sessions,
          quantileExact(0.5)(assumeNotNull(duration_ms)) AS median_ms, quantileExact(0.95)(assumeNotNull(duration_ms)) AS p95_ms
   FROM login_sessions
   WHERE duration_ms IS NOT NULL
   GROUP BY day`,
);

/** Bursts of failed logins as far as each had got, one row for each time that it grew. The row of the highest version holds. */
export const loginBursts = defineTable("login_bursts", {
  columns: {
    kind: c.string().lowCardinality(),
    subject: c.string(),
    since: c.dateTime64(3),
    until: c.dateTime64(3),
    failures: c.uint32(),
    /** The failures so far; 4294967295 where the burst turned out to be the end of an earlier one. */
    version: c.uint32(),
  },
  engine: { kind: "replacingMergeTree", version: "version" },
  orderBy: ["kind", "subject", "since"],
  partitionBy: { unit: "day", column: "since" },
  ttl: { column: "since", days: 400 },
});

/** One row a burst: at least 5 failures of one user, or from one address, with no more than 5 minutes between two of them. */
export const loginAlerts = defineView(
  "login_alerts",
  `SELECT kind, subject, since, until, failures
   FROM login_bursts FINAL
   WHERE version < 4294967295`,
);

/** How long the sessions of each user lasted, by the day on which they began. */
export const sessionDurationsByUser = defineView(
  "session_durations_by_user",
  `SELECT user_id, toDate(started_at) AS day, count() AS sessions,
          quantileExact(0.5)(assumeNotNull(duration_ms)) AS median_ms, quantileExact(0.95)(assumeNotNull(duration_ms)) AS p95_ms
   FROM login_sessions
   WHERE duration_ms IS NOT NULL
   GROUP BY user_id, day`,
);

/** The history of every cart: what was accepted, and what was refused, with its reason. */
export const cartEvents = defineTable("cart_events", {
  columns: {
    event_id: c.uuid(),
    cart_id: c.string(),
    user_id: c.string().default(""),
    type: c.string().lowCardinality(),
    sku: c.string().default(""),
    quantity: c.uint32().default(0),
    unit_price_cents: c.uint64().default(0),
    checkout_id: c.string().default(""),
    reason: c.string().lowCardinality().default(""),
    at: c.dateTime64(3).codec("T64, ZSTD(1)"),
  },
  orderBy: ["cart_id", "at", "event_id"],
  partitionBy: { unit: "day", column: "at" },
  ttl: { column: "at", days: 400 },
  codec: "ZSTD(1)",
});

/** What happens to carts, by hour. */
export const cartActivityByHour = defineRollup("cart_activity_by_hour", {
  from: cartEvents,
  time: "at",
  every: "hour",
  groupBy: ["type"],
  columns: { events: rollups.count(), quantity: rollups.sum("quantity"), carts: rollups.uniqExact("cart_id") },
});

export const orderOutcomes = defineTable("order_outcomes", {
  columns: {
    checkout_id: c.string(),
    order_id: c.string(),
    cart_id: c.string(),
    user_id: c.string(),
    outcome: c.string().lowCardinality(),
    reason: c.string().default(""),
    total_cents: c.uint64().default(0),
    at: c.dateTime64(3),
  },
  engine: { kind: "replacingMergeTree", version: "at" },
  orderBy: ["checkout_id"],
});

/** One row a checkout. */
export const orders = defineView(
  "orders",
  `SELECT order_id, checkout_id, cart_id, user_id, outcome, reason, total_cents, at FROM order_outcomes FINAL`,
);

/** Beside the tables that pipelines write, in the order in which they can be created. */
export const derived = [
  sessionTimes,
  loginSessions,
  loginsByUserDay,
  loginsByHour,
  sessionDurations,
  sessionDurationsByUser,
  loginAlerts,
  loginMethodsByHour,
  cartActivityByHour,
  orders,
] as const;
