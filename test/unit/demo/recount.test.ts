import { describe, expect, it } from "vitest";
import { generateDay } from "../../demo/day.ts";
import { type Query, recount } from "../../demo/recount.ts";

type Row = Record<string, unknown>;

const day = generateDay({ events: 5_000, seed: 9, dayStart: new Date("2026-11-23T00:00:00Z") });
for (const _ of day.emissions);
const truth = day.truth();

/** The answers of tables that are right, by the table the SELECT names; 64-bit numbers as text, as ClickHouse's JSON has them. */
function rightTables(): Record<string, Row[]> {
  const { logins, failed } = truth;
  const abandoned = (truth.cartRowsByType.get("cart.created") ?? 0) - truth.orders.size;
  return {
    login_events: [{ rows: `${truth.loginRows}`, logins: `${logins}`, failed: `${failed}`, ended: `${truth.ended}` }],
    login_sessions: [{ sessions: `${truth.sessions}`, ended: `${truth.sessionsEnded}`, median_ms: truth.medianSessionMs }],
    logins_by_hour: [...truth.byHour].map(([hour, n]) => ({ hour_ms: `${hour}`, logins: `${n.logins}`, failed: `${n.failed}` })),
    login_methods_by_hour: [...truth.byHourAndMethod].map(([key, n]) => {
      const [hour, method] = key.split(" ");
      return { hour_ms: hour, method, logins: `${n.logins}`, failed: `${n.failed}` };
    }),
    logins_by_user_day: [...truth.byUserDay].flatMap(([user, days]) =>
      [...days].map(([date, n]) => ({ user_id: user, day: date, logins: `${n.logins}`, failed: `${n.failed}` })),
    ),
    user_day_total: [{ logins: `${logins}`, failed: `${failed}` }],
    session_durations: [...truth.durationsByDay].map(([date, n]) => ({
      day: date,
      sessions: `${n.sessions}`,
      median_ms: n.medianMs,
      p95_ms: n.p95Ms,
    })),
    cart_events: [...truth.cartRowsByType].map(([type, rows]) => ({ type, rows: `${rows}` })),
    abandoned_carts: [{ carts: `${abandoned}`, rows: `${abandoned}`, wrong: "0" }],
    cart_activity_by_hour: [...truth.cartsByHour].map(([key, { events, quantity, carts }]) => {
      const [hour, type] = key.split(" ");
      return { hour_ms: hour, type, events: `${events}`, quantity: `${quantity}`, carts: `${carts.size}` };
    }),
    orders: [...truth.orders].map(([id, order]) => ({
      checkout_id: id,
      outcome: order.outcome,
      total_cents: `${order.totalCents}`,
    })),
    login_alerts: truth.attacks.map(({ kind, subject, since, until, failures }) => ({
      kind,
      subject,
      since_ms: `${since.getTime()}`,
      until_ms: `${until.getTime()}`,
      failures: `${failures}`,
    })),
  };
}

function queryOf(tables: Record<string, Row[]>, asked: string[] = []): Query {
  return async (sql) => {
    asked.push(sql);
    const table = /FROM (\w+)/.exec(sql)?.[1] ?? "";
    if (sql.includes("'cart.abandoned'")) return tables["abandoned_carts"] ?? [];
    return tables[sql.includes("sum(logins)") ? "user_day_total" : table] ?? [];
  };
}

describe("recount", () => {
  it("finds nothing where every table is right", async () => {
    expect(await recount(queryOf(rightTables()), truth)).toEqual([]);
  });

  it.each(
    Object.keys(rightTables()).flatMap((table) =>
      Object.keys(rightTables()[table]?.[0] ?? {}).map((column) => [table, column] as const),
    ),
  )("sees that %s.%s is off by one", async (table, column) => {
    const tables = rightTables();
    const rows = tables[table] as Row[];
    // The row of a placed order, whose total is promised.
    const index = table === "orders" ? rows.findIndex((row) => row["outcome"] === "placed") : 0;
    const value = rows[index]?.[column];
    rows[index] = { ...rows[index], [column]: Number.isNaN(Number(value)) ? `${value}x` : Number(value) + 1 };
    const query = queryOf(tables);
    const mismatches = await recount(query, truth);
    expect(mismatches.length).toBeGreaterThan(0);
    expect(mismatches.every(({ expected, actual }) => expected !== actual)).toBe(true);
  });

  it.each([
    "logins_by_hour",
    "login_methods_by_hour",
    "logins_by_user_day",
    "session_durations",
    "cart_events",
    "cart_activity_by_hour",
    "orders",
  ])("sees a row of %s that is missing, and one that came twice", async (table) => {
    const missing = rightTables();
    const gone = missing[table]?.pop();
    const [lost] = await recount(queryOf(missing), truth);
    expect(lost).toMatchObject({ actual: null });
    const twice = rightTables();
    twice[table]?.push(gone as Row);
    expect((await recount(queryOf(twice), truth)).map(({ name }) => name)).toContainEqual(
      expect.stringContaining("a second row"),
    );
  });

  it("names the number, what was expected and what was found", async () => {
    const tables = rightTables();
    tables["login_events"] = [{ ...tables["login_events"]?.[0], failed: "0" }];
    expect(await recount(queryOf(tables), truth)).toEqual([{ name: "login_events failed", expected: truth.failed, actual: 0 }]);
  });

  it("finds everything wrong where there are no rows at all", async () => {
    const mismatches = await recount(async () => [], truth);
    expect(mismatches.length).toBeGreaterThan(truth.orders.size + truth.byHour.size);
  });

  it("takes a row of zeros for none", async () => {
    const tables = rightTables();
    tables["logins_by_hour"]?.push({ hour_ms: "0", logins: "0", failed: "0" });
    expect(await recount(queryOf(tables), truth)).toEqual([]);
  });

  it("asks with short SELECTs, FINAL where the table needs it and only there, and quotes the awkward names", async () => {
    const asked: string[] = [];
    await recount(queryOf(rightTables(), asked), truth);
    const tables = asked.map((sql) => /FROM (\w+)( FINAL)?/.exec(sql)?.[0]);
    expect(tables.filter((from) => from?.endsWith("FINAL")).sort()).toEqual([
      "FROM cart_events FINAL",
      "FROM login_events FINAL",
    ]);
    expect(asked.find((sql) => sql.includes("IN ('amara.0'"))).toContain("'o\\'brien', 'back\\\\slash \"quoted\"'");
  });
});
