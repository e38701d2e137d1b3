import type { Truth } from "./truth.ts";

/** Asks ClickHouse one SELECT; the rows as objects. Numbers may come as text, as 64-bit integers do in JSON. */
export type Query = (sql: string) => Promise<readonly Record<string, unknown>[]>;

type Value = string | number | null;

/** A number that a table tells otherwise than the truth. `null` stands for a row that is not there. */
export interface Mismatch {
  readonly name: string;
  readonly expected: Value;
  readonly actual: Value;
}

/**
 * Compares the tables and views with what was sent, number by number. Empty when all of them agree.
 * `session_durations` is taken to hold sessions that have ended, by the UTC day they began, with quantileExact's quantiles.
 */
export async function recount(query: Query, truth: Truth): Promise<readonly Mismatch[]> {
  const parts = await Promise.all([
    loginEvents(query, truth),
    loginSessions(query, truth),
    loginsByHour(query, truth),
    loginMethodsByHour(query, truth),
    loginsByUserDay(query, truth),
    sessionDurations(query, truth),
    loginAlerts(query, truth),
    cartEvents(query, truth),
    abandonedCarts(query, truth),
    cartActivityByHour(query, truth),
    orders(query, truth),
  ]);
  return parts.flat();
}

/** What `headrace reconcile --json` says: the books of the participants of the checkouts, from their own stores. */
export type Books = Readonly<Record<string, Value | boolean>>;

/** Compares the books of the participants with what the checkouts must have come to. */
export const recountBooks = (books: Books, { checkouts: { completed } }: Truth): readonly Mismatch[] => [
  ...compare("books: orders placed", completed, books["ordersPlaced"]),
  ...compare("books: payments captured", completed, books["paymentsCaptured"]),
  ...compare("books: stock sold", completed, books["stockSold"]),
  ...["paymentsHeld", "stockHeld", "cartsFrozen", "openSagas", "needsAttention"].flatMap((held) =>
    compare(`books: ${held}`, 0, books[held]),
  ),
];

/** One row a burst, with its true size. */
async function loginAlerts(query: Query, truth: Truth): Promise<readonly Mismatch[]> {
  const rows = await query(`
    SELECT kind, subject, ${ms("since")} AS since_ms, ${ms("until")} AS until_ms, failures FROM login_alerts`);
  const keyOf = (kind: unknown, subject: unknown, since: unknown) => `login_alerts ${kind} '${subject}' since ${since}`;
  const expected = new Map<string, Value>();
  for (const { kind, subject, since, until, failures } of truth.attacks) {
    expected.set(keyOf(kind, subject, since.getTime()), `${failures} until ${until.getTime()}`);
  }
  const actual = rows.map(
    (row) => [keyOf(row["kind"], row["subject"], row["since_ms"]), `${row["failures"]} until ${row["until_ms"]}`] as const,
  );
  return compareAll(expected, actual);
}

async function loginEvents(query: Query, truth: Truth): Promise<readonly Mismatch[]> {
  const [row = {}] = await query(`
    SELECT count() AS rows,
      countIf(outcome = 'success') AS logins, countIf(outcome = 'failure') AS failed, countIf(outcome = 'ended') AS ended
    FROM login_events FINAL`);
  return [
    ...compare("login_events rows", truth.loginRows, row["rows"]),
    ...compare("login_events logins", truth.logins, row["logins"]),
    ...compare("login_events failed", truth.failed, row["failed"]),
    ...compare("login_events ended", truth.ended, row["ended"]),
  ];
}

async function loginSessions(query: Query, truth: Truth): Promise<readonly Mismatch[]> {
  const [row = {}] = await query(`
    SELECT count() AS sessions, count(duration_ms) AS ended, quantileExact(0.5)(duration_ms) AS median_ms FROM login_sessions`);
  return [
    ...compare("login_sessions sessions", truth.sessions, row["sessions"]),
    ...compare("login_sessions ended", truth.sessionsEnded, row["ended"]),
    ...compare("login_sessions median_ms", truth.medianSessionMs, row["median_ms"]),
  ];
}

async function loginsByHour(query: Query, truth: Truth): Promise<readonly Mismatch[]> {
  const rows = await query(`SELECT ${ms("hour")} AS hour_ms, logins, failed FROM logins_by_hour`);
  const nameOf = (hour: number) => `logins_by_hour ${new Date(hour).toISOString()}`;
  const expected = new Map<string, Value>();
  for (const [hour, { logins, failed }] of truth.byHour) expected.set(nameOf(hour), attempts(logins, failed));
  return compareAll(
    expected,
    rows.map((row) => [nameOf(Number(row["hour_ms"])), attempts(row["logins"], row["failed"])]),
  );
}

async function loginMethodsByHour(query: Query, truth: Truth): Promise<readonly Mismatch[]> {
  const rows = await query(`SELECT ${ms("hour")} AS hour_ms, method, logins, failed FROM login_methods_by_hour`);
  const expected = new Map<string, Value>();
  for (const [key, { logins, failed }] of truth.byHourAndMethod)
    expected.set(`login_methods_by_hour ${key}`, attempts(logins, failed));
  return compareAll(
    expected,
    rows.map((row) => [`login_methods_by_hour ${row["hour_ms"]} ${row["method"]}`, attempts(row["logins"], row["failed"])]),
  );
}

async function loginsByUserDay(query: Query, truth: Truth): Promise<readonly Mismatch[]> {
  const rows = await query(`
    SELECT user_id, toString(day) AS day, logins, failed FROM logins_by_user_day
    WHERE user_id IN (${truth.sampledUsers.map(literal).join(", ")})`);
  const [total = {}] = await query("SELECT sum(logins) AS logins, sum(failed) AS failed FROM logins_by_user_day");
  const nameOf = (user: unknown, day: unknown) => `logins_by_user_day '${user}' ${day}`;
  const expected = new Map<string, Value>();
  for (const [user, days] of truth.byUserDay) {
    for (const [day, { logins, failed }] of days) expected.set(nameOf(user, day), attempts(logins, failed));
  }
  return [
    ...compareAll(
      expected,
      rows.map((row) => [nameOf(row["user_id"], row["day"]), attempts(row["logins"], row["failed"])]),
    ),
    ...compare("logins_by_user_day logins of all users", truth.logins, total["logins"]),
    ...compare("logins_by_user_day failed of all users", truth.failed, total["failed"]),
  ];
}

async function sessionDurations(query: Query, truth: Truth): Promise<readonly Mismatch[]> {
  const rows = await query("SELECT toString(day) AS day, sessions, median_ms, p95_ms FROM session_durations");
  const text = (sessions: unknown, median: unknown, p95: unknown) => `${sessions} sessions, median ${median} ms, p95 ${p95} ms`;
  const expected = new Map<string, Value>();
  for (const [day, { sessions, medianMs, p95Ms }] of truth.durationsByDay) {
    expected.set(`session_durations ${day}`, text(sessions, medianMs, p95Ms));
  }
  const actual = rows.map(
    (row) => [`session_durations ${row["day"]}`, text(row["sessions"], row["median_ms"], row["p95_ms"])] as const,
  );
  return compareAll(expected, actual);
}

/** Only the types that clients send: what sagas announce and pipelines reject has rows of its own there. */
const clientTypes = "'cart.created', 'cart.item_added', 'cart.item_removed', 'cart.quantity_changed'";

async function cartEvents(query: Query, truth: Truth): Promise<readonly Mismatch[]> {
  const rows = await query(`
    SELECT type, count() AS rows FROM cart_events FINAL WHERE type IN (${clientTypes}) GROUP BY type`);
  const expected = new Map<string, Value>([...truth.cartRowsByType].map(([type, count]) => [`cart_events ${type}`, count]));
  const sum = rows.reduce((total, row) => total + Number(row["rows"]), 0);
  return [
    ...compareAll(
      expected,
      rows.map((row) => [`cart_events ${row["type"]}`, toValue(row["rows"])]),
    ),
    ...compare("cart_events rows", truth.cartRows, sum),
  ];
}

/** Every cart that was not taken to the till is given up, once, and no other. */
async function abandonedCarts(query: Query, truth: Truth): Promise<readonly Mismatch[]> {
  const [row = {}] = await query(`
    SELECT count() AS rows, uniqExact(cart_id) AS carts,
      countIf(cart_id IN (SELECT cart_id FROM cart_events WHERE type = 'cart.checkout_requested')) AS wrong
    FROM cart_events FINAL WHERE type = 'cart.abandoned'`);
  const expected = (truth.cartRowsByType.get("cart.created") ?? 0) - truth.orders.size;
  return [
    ...compare("carts given up", expected, row["carts"]),
    ...compare("carts given up, rows", expected, row["rows"]),
    ...compare("carts given up that were taken to the till", 0, row["wrong"]),
  ];
}

async function cartActivityByHour(query: Query, truth: Truth): Promise<readonly Mismatch[]> {
  const rows = await query(`
    SELECT ${ms("hour")} AS hour_ms, type, events, quantity, carts FROM cart_activity_by_hour WHERE type IN (${clientTypes})`);
  const text = (events: unknown, quantity: unknown, carts: unknown) => `${events} events of ${carts} carts, quantity ${quantity}`;
  const expected = new Map<string, Value>();
  for (const [key, { events, quantity, carts }] of truth.cartsByHour)
    expected.set(`cart_activity_by_hour ${key}`, text(events, quantity, carts.size));
  return compareAll(
    expected,
    rows.map((row) => [
      `cart_activity_by_hour ${row["hour_ms"]} ${row["type"]}`,
      text(row["events"], row["quantity"], row["carts"]),
    ]),
  );
}

async function orders(query: Query, truth: Truth): Promise<readonly Mismatch[]> {
  const rows = await query("SELECT checkout_id, outcome, total_cents FROM orders");
  const count = (outcome: string) => rows.filter((row) => row["outcome"] === outcome).length;
  // What a refused order would have cost is nobody's promise.
  const text = (outcome: unknown, cents: unknown) => (outcome === "placed" ? `placed for ${cents} cents` : String(outcome));
  const expected = new Map<string, Value>();
  for (const [id, { outcome, totalCents }] of truth.orders) expected.set(`orders ${id}`, text(outcome, totalCents));
  return [
    ...compareAll(
      expected,
      rows.map((row) => [`orders ${row["checkout_id"]}`, text(row["outcome"], row["total_cents"])]),
    ),
    ...compare("orders placed", truth.checkouts.completed, count("placed")),
    ...compare("orders refused", truth.checkouts.undone, count("refused")),
  ];
}

function compare(name: string, expected: Value, actual: unknown): readonly Mismatch[] {
  const value = toValue(actual);
  return value === expected ? [] : [{ name, expected, actual: value }];
}

/** Finds rows that differ, are missing, are too many, or came twice. A row of zeros is as good as none. */
function compareAll(expected: ReadonlyMap<string, Value>, actual: readonly (readonly [string, Value])[]): readonly Mismatch[] {
  const seen = new Map<string, Value>();
  const mismatches: Mismatch[] = [];
  for (const [name, value] of actual) {
    if (seen.has(name)) mismatches.push({ name: `${name}, a second row`, expected: null, actual: value });
    else seen.set(name, value);
  }
  for (const name of new Set([...expected.keys(), ...seen.keys()])) {
    const wanted = expected.get(name) ?? null;
    const found = seen.get(name) ?? null;
    if (wanted !== found && !(wanted === null && found === nothing)) mismatches.push({ name, expected: wanted, actual: found });
  }
  return mismatches;
}

const attempts = (logins: unknown, failed: unknown): string => `${logins} logins, ${failed} failed`;
const nothing = attempts(0, 0);

function toValue(value: unknown): Value {
  if (value === null || value === undefined) return null;
  const number = Number(value);
  return Number.isNaN(number) ? String(value) : number;
}

/** A moment in milliseconds since the epoch, whether the column is a DateTime or a DateTime64, in whatever zone it prints. */
const ms = (column: string): string => `toUnixTimestamp64Milli(toDateTime64(${column}, 3))`;
const literal = (text: string): string => `'${text.replace(/[\\']/g, "\\$&")}'`;
