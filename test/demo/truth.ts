import { type Attack, createAttackTruth } from "./attack-truth.ts";
import type { CartEvent, DemoEvent, Flaw, LoginEvent, Plan } from "./emission.ts";
import { createOrderTruth, type OrderTruth } from "./order-truth.ts";

export interface Counts {
  readonly logins: number;
  readonly failed: number;
}

export interface CartCounts {
  readonly events: number;
  readonly quantity: number;
  /** Their ids. */
  readonly carts: ReadonlySet<string>;
}

/** Durations of sessions that ended. The median and the 95th percentile are elements of the list; null when it is empty. */
export interface Durations {
  readonly sessions: number;
  readonly medianMs: number | null;
  readonly p95Ms: number | null;
}

/** What the tables must say, counted from what was sent by plain counters that share nothing with the pipelines. */
export interface Truth {
  /** Emissions of every kind: `unique + duplicates + invalid`. */
  readonly produced: number;
  readonly unique: number;
  readonly duplicates: number;
  readonly invalid: number;
  readonly flaws: ReadonlyMap<Flaw, number>;
  /** First sendings of an event that came after one of the same stream whose time is over 10 minutes newer. */
  readonly late: number;

  /** Rows of `login_events`: one an event of `logins` and `app:logins`. */
  readonly loginRows: number;
  readonly logins: number;
  readonly failed: number;
  readonly ended: number;
  /** Distinct pairs of user and session with a login. */
  readonly sessions: number;
  readonly sessionsEnded: number;
  readonly medianSessionMs: number | null;
  /** By the UTC day the session began, such as "2026-11-03". */
  readonly durationsByDay: ReadonlyMap<string, Durations>;
  /** By the hour's start, in milliseconds since the epoch. */
  readonly byHour: ReadonlyMap<number, Counts>;
  /** By the hour's start and how it was tried, such as "1795600000000 password". */
  readonly byHourAndMethod: ReadonlyMap<string, Counts>;
  readonly sampledUsers: readonly string[];
  /** By user and UTC day, for the sampled users. */
  readonly byUserDay: ReadonlyMap<string, ReadonlyMap<string, Counts>>;
  readonly attacks: readonly Attack[];

  /** Rows of `cart_events` that clients caused: carts created, and items added, removed and changed. */
  readonly cartRows: number;
  readonly cartRowsByType: ReadonlyMap<string, number>;
  /** The same rows by the hour's start and type, such as "1795600000000 cart.created". */
  readonly cartsByHour: ReadonlyMap<string, CartCounts>;
  readonly checkouts: { readonly completed: number; readonly undone: number };
  /** By checkoutId. */
  readonly orders: ReadonlyMap<string, OrderTruth>;
}

export interface TruthRecorder {
  /** Takes note of one emission. To be called in sending order. */
  record(plan: Plan): void;
  result(): Truth;
}

const lateAfterMs = 600_000;
const hourMs = 3_600_000;

export function createTruth(sampledUsers: readonly string[]): TruthRecorder {
  const total = { produced: 0, unique: 0, duplicates: 0, invalid: 0, late: 0 };
  const loginCount = { "login.succeeded": 0, "login.failed": 0, "login.ended": 0 };
  const flaws = new Map<Flaw, number>();
  const newestByStream = new Map<string, number>();
  const byHour = new Map<number, Counts>();
  const byHourAndMethod = new Map<string, Counts>();
  const byUserDay = new Map<string, Map<string, Counts>>(sampledUsers.map((user) => [user, new Map()]));
  const cartRowsByType = new Map<string, number>();
  const cartsByHour = new Map<string, CartCounts & { readonly carts: Set<string> }>();
  const sessions = createSessionTruth();
  const attacks = createAttackTruth();
  const orders = createOrderTruth();

  const countLogin = (event: LoginEvent): void => {
    loginCount[event.type] += 1;
    if (event.type === "login.failed") attacks.record(event);
    else sessions.record(event);
  };
  const countAttempt = (event: LoginEvent): void => {
    if (event.type === "login.ended") return;
    const field = event.type === "login.failed" ? "failed" : "logins";
    const ms = event.time.getTime();
    increment(byHour, hourOf(ms), field);
    increment(byHourAndMethod, `${hourOf(ms)} ${event.data.method}`, field);
    const days = byUserDay.get(event.data.userId);
    if (days !== undefined) increment(days, dayOf(ms), field);
  };

  const countCart = (event: Exclude<CartEvent, { type: "cart.checkout_requested" }>): void => {
    cartRowsByType.set(event.type, (cartRowsByType.get(event.type) ?? 0) + 1);
    const key = `${hourOf(event.time.getTime())} ${event.type}`;
    const { events, quantity, carts } = cartsByHour.get(key) ?? { events: 0, quantity: 0, carts: new Set<string>() };
    const more = "quantity" in event.data ? event.data.quantity : 0;
    cartsByHour.set(key, { events: events + 1, quantity: quantity + more, carts: carts.add(event.data.cartId) });
  };

  const record = ({ emission, event, isFirst }: Plan): void => {
    total.produced += 1;
    if (event === null) {
      total.invalid += 1;
      if (emission.kind === "raw" && emission.expect === "dead letter")
        flaws.set(emission.flaw, (flaws.get(emission.flaw) ?? 0) + 1);
      return;
    }
    const newest = newestByStream.get(emission.stream) ?? -Infinity;
    newestByStream.set(emission.stream, Math.max(newest, event.time.getTime()));
    if (!isFirst) {
      total.duplicates += 1;
      return;
    }
    total.unique += 1;
    if (newest - event.time.getTime() > lateAfterMs) total.late += 1;
    if (isLogin(event)) {
      countLogin(event);
      countAttempt(event);
    } else {
      orders.record(event);
      if (event.type !== "cart.checkout_requested") countCart(event);
    }
  };

  const result = (): Truth => {
    const { "login.succeeded": logins, "login.failed": failed, "login.ended": ended } = loginCount;
    const placed = [...orders.orders.values()].filter((order) => order.outcome === "placed").length;
    return {
      ...total,
      flaws,
      loginRows: logins + failed + ended,
      logins,
      failed,
      ended,
      ...sessions.result(),
      byHour,
      byHourAndMethod,
      sampledUsers,
      byUserDay,
      attacks: attacks.result(),
      cartRows: [...cartRowsByType.values()].reduce((sum, rows) => sum + rows, 0),
      cartRowsByType,
      cartsByHour,
      checkouts: { completed: placed, undone: orders.orders.size - placed },
      orders: orders.orders,
    };
  };
  return { record, result };
}

/** A login and its end may come in either order, so whichever comes first waits for the other. */
function createSessionTruth() {
  const started = new Map<string, number>();
  const endedFirst = new Map<string, number>();
  const durations = new Map<string, number[]>();
  let sessions = 0;

  const close = (start: number, end: number): void => {
    const day = dayOf(start);
    const known = durations.get(day);
    if (known === undefined) durations.set(day, [end - start]);
    else known.push(end - start);
  };
  return {
    record(event: Exclude<LoginEvent, { type: "login.failed" }>): void {
      const key = JSON.stringify([event.data.userId, event.data.sessionId]);
      const time = event.time.getTime();
      const isLoginEvent = event.type === "login.succeeded";
      if (isLoginEvent) sessions += 1;
      const [own, other] = isLoginEvent ? [started, endedFirst] : [endedFirst, started];
      const match = other.get(key);
      if (match === undefined) {
        own.set(key, time);
      } else {
        other.delete(key);
        close(Math.min(match, time), Math.max(match, time));
      }
    },
    result() {
      const all = [...durations.values()].flat();
      const durationsByDay = new Map([...durations].map(([day, list]) => [day, summarise(list)] as const));
      return { sessions, sessionsEnded: all.length, medianSessionMs: summarise(all).medianMs, durationsByDay };
    },
  };
}

/** As ClickHouse's quantileExact: of n sorted values the one at floor(level × n). So the median of two is the greater. */
function summarise(list: readonly number[]): Durations {
  const sorted = Float64Array.from(list).sort();
  const at = (level: number) => sorted[Math.floor(level * sorted.length)] ?? null;
  return { sessions: sorted.length, medianMs: at(0.5), p95Ms: at(0.95) };
}

function increment<K>(counts: Map<K, Counts>, key: K, field: keyof Counts): void {
  const known = counts.get(key) ?? { logins: 0, failed: 0 };
  counts.set(key, { ...known, [field]: known[field] + 1 });
}

const isLogin = (event: DemoEvent): event is LoginEvent => event.type.startsWith("login.");
const hourOf = (ms: number): number => ms - (ms % hourMs);
const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
