import { type Decision, deadLetter, drop, type Sent, startWorkflow, toStream } from "headrace";
import { match } from "ts-pattern";
import { describe, expect, test } from "tstyche";
import { alerts, attackSuspected, checkout, checkouts, type Login, loginFailed, type Order, rows, source } from "./logins.ts";

describe("a row", () => {
  const row = (event: Login) => ({ event_id: event.id, at: event.time, outcome: "success" as const });

  test("may leave out what has a default, and keeps literals that the column knows", () => {
    source.to(rows, (event) => ({
      event_id: event.id,
      at: event.time,
      outcome: event.type === "login.failed" ? "failure" : "success",
      country: "PL",
    }));
    source.to(rows, row);
    source.to(rows, (event) => {
      if (event.type === "login.failed") return { event_id: event.id, at: event.time, outcome: "failure" };
      return { event_id: event.id, at: event.time, outcome: "success", country: undefined };
    });
    source.route({ rows }, (event, to) => to.rows(row(event)));
  });

  test("has no other columns", () => {
    // @ts-expect-error TypeHint<"The sink has no column 'cuntry'">
    source.to(rows, (event) => ({ event_id: event.id, at: event.time, outcome: "success", cuntry: "PL" }));
    // @ts-expect-error TypeHint<"The sink has no column 'cuntry'">
    source.to(rows, (event) => ({ ...row(event), cuntry: "PL" }));
    // @ts-expect-error TypeHint<"The sink has no column 'outcom'">
    source.to(rows, (event) => ({ event_id: event.id, at: event.time, outcom: "success" }));
    // @ts-expect-error TypeHint<"The sink has no column 'cuntry'">
    source.route({ rows }, (event, to) => to.rows({ ...row(event), cuntry: "PL" }));
  });

  test("has all the columns that it needs", () => {
    // @ts-expect-error TypeHint<"The row lacks the column 'at'">
    source.to(rows, (event) => ({ event_id: event.id, outcome: "success" }));
    // @ts-expect-error TypeHint<"The row lacks the column 'at'">
    source.route({ rows }, (event, to) => to.rows({ event_id: event.id, outcome: "success" }));
    const some = { event_id: "e", outcome: "success" } as const;
    // @ts-expect-error TypeHint<"The row lacks the column 'at'">
    source.to(rows, (event) => (event.type === "login.failed" ? row(event) : some));
  });

  test("has columns of the right type", () => {
    // @ts-expect-error Type 'string' is not assignable to type 'number'
    source.to(rows, (event) => ({ event_id: event.id, at: event.time, outcome: "success", attempts: "seven" }));
    // @ts-expect-error Type '"lost"' is not assignable to type
    source.to(rows, (event) => ({ event_id: event.id, at: event.time, outcome: "lost" }));
    // @ts-expect-error Type 'undefined' is not assignable to type
    source.to(rows, (event) => (event.type === "login.failed" ? row(event) : undefined));
    // @ts-expect-error Type 'Promise<{
    source.to(rows, async (event) => row(event));
  });

  test("of a workflow is its input", () => {
    source.to(checkouts, (event) => ({ id: event.id, lines: [{ sku: "a", kind: "digital" }] }));
    source.route({ checkouts }, (event, to) => to.checkouts({ id: event.id, lines: [{ sku: "a", kind: "digital" }] }));
    startWorkflow(checkout, {
      taskQueue: "checkout",
      searchAttributes: {
        Order: { type: "Keyword", value: (input) => input.id },
        Lines: { type: "Int", value: ({ lines }) => lines.length || undefined },
        // @ts-expect-error Type 'number' is not assignable to type 'Date'
        At: { type: "Datetime", value: ({ lines }) => lines.length },
      },
      summary: ({ lines }) => `${lines.length} lines`,
      workflowId: (input) => {
        expect(input).type.toBe<Order>();
        return input.id;
      },
    });
    // @ts-expect-error TypeHint<"The row lacks the column 'lines'">
    source.to(checkouts, (event) => ({ id: event.id }));
    // @ts-expect-error Type 'number' is not assignable to type 'string'
    source.route({ checkouts }, (_, to) => to.checkouts({ id: 7, lines: [] }));
    // @ts-expect-error Type '"paper"' is not assignable to type
    source.to(checkouts, (event) => ({ id: event.id, lines: [{ sku: "a", kind: "paper" }] }));
  });
});

describe("a derived event", () => {
  test("is one that the stream carries", () => {
    source.emit(alerts, () => ({ type: "login.attack_suspected", data: { userId: "u", failures: 1 }, time: new Date() }));
    source.route({ alerts: toStream(alerts) }, (_, to) => to.alerts(attackSuspected({ userId: "u", failures: 1 })));
    // @ts-expect-error TypeHint<"The stream carries no 'login.failed'">
    source.emit(alerts, () => loginFailed({ userId: "u" }));
    // @ts-expect-error TypeHint<"The data does not fit 'login.attack_suspected'">
    source.emit(alerts, () => ({ type: "login.attack_suspected", data: { userId: "u" } }));
    // @ts-expect-error '"login.failed"' is not assignable to type '"login.attack_suspected"'
    source.route({ alerts: toStream(alerts) }, (_, to) => to.alerts(loginFailed({ userId: "u" })));
  });
});

describe("a route", () => {
  test("gives a function for each destination, typed by its sink", () => {
    source.route({ rows, checkouts }, (event, to) => {
      expect(event).type.toBe<Login>();
      expect(to.rows({ event_id: event.id, at: event.time, outcome: "success" })).type.toBe<Sent>();
      expect(to).type.not.toHaveProperty("row");
      return [to.rows({ event_id: event.id, at: event.time, outcome: "success" }), to.checkouts({ id: event.id, lines: [] })];
    });
  });

  test("may end an event with a reason", () => {
    source.route({ rows }, (event): Decision => (event.type === "login.failed" ? drop("failed") : deadLetter("odd")));
    expect(drop).type.not.toBeCallableWith();
    expect(deadLetter).type.not.toBeCallableWith();
  });

  test("decides on every path", () => {
    // @ts-expect-error Every path of a route returns an outcome: to.<destination>(row), drop(why) or deadLetter(why)
    source.route({ rows }, (event) => {
      if (event.type === "login.failed") return drop("failed");
    });
    // @ts-expect-error Every path of a route returns an outcome
    source.route({ rows }, () => {});
    // @ts-expect-error Every path of a route returns an outcome
    source.route({ rows }, async () => drop("late"));
  });

  test("matches every case", () => {
    source.route({ rows }, (event) =>
      match(event)
        .with({ type: "login.succeeded" }, () => drop("fine"))
        .with({ type: "login.failed" }, ({ data }) => deadLetter(data.reason ?? "unknown"))
        .exhaustive(),
    );
    source.route({ rows }, (event) =>
      match(event)
        .with({ type: "login.succeeded" }, () => drop("fine"))
        // @ts-expect-error NonExhaustiveError<Event<"login.failed"
        .exhaustive(),
    );
  });
});
