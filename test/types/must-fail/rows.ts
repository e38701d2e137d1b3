import { attackSuspected, checkouts, logins, rows } from "./shop.ts";

const made = (id: string, at: Date) => ({ event_id: id, at, outcome: "success" as const, cuntry: "PL" });

export const misspelled = logins.to(rows, (event) => ({
  event_id: event.id,
  at: event.time,
  outcome: event.type === "login.failed" ? "failure" : "success",
  // refused: The sink has no column 'cuntry'
  cuntry: "PL",
}));

// refused: The sink has no column 'cuntry'
export const misspelledElsewhere = logins.to(rows, (event) => made(event.id, event.time));

// refused: The row lacks the column 'at'
export const missing = logins.to(rows, (event) => ({ event_id: event.id, outcome: "success" }));

export const wrongType = logins.to(rows, (event) => ({
  event_id: event.id,
  at: event.time,
  outcome: "success",
  // refused: Type 'string' is not assignable to type 'number'
  attempts: "seven",
}));

export const wrongName = logins.to(rows, (event) => ({
  event_id: event.id,
  at: event.time,
  // refused: Type '"lost"' is not assignable to type '"failure" | "success"'
  outcome: "lost",
}));

export const misspelledInRoute = logins.route({ rows }, (event, to) =>
  to.rows({
    event_id: event.id,
    at: event.time,
    outcome: "success",
    // refused: The sink has no column 'cuntry'
    cuntry: "PL",
  }),
);

export const misspelledBeforeRoute = logins.route({ rows }, (event, to) => {
  const row = made(event.id, event.time);
  // refused: The sink has no column 'cuntry'
  return to.rows(row);
});

// refused: The row lacks the column 'at'
export const missingInRoute = logins.route({ rows }, (event, to) => to.rows({ event_id: event.id, outcome: "success" }));

// refused: The row lacks the column 'cents'
export const missingInput = logins.to(checkouts, (event) => ({ checkoutId: event.id }));

// refused: Type 'string' is not assignable to type 'number'
export const wrongInput = logins.route({ checkouts }, (event, to) => to.checkouts({ checkoutId: event.id, cents: "free" }));

// refused: Property 'checkout' does not exist on type
export const noSuchDestination = logins.route({ checkouts }, (event, to) => to.checkout({ checkoutId: event.id, cents: 1 }));

export const unknownField = logins.filter("x", (event) => {
  // refused: Property 'sessionId' does not exist on type
  return event.data.sessionId === "";
});

// refused: Type 'string' is not assignable to type 'number'
export const wrongDraft = attackSuspected({ userId: "u", failures: "many" });
