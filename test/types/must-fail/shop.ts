import { c, clickhouse, defineEvent, defineStream, defineTable, pipeline, startWorkflow } from "headrace";
import { z } from "zod";

/** What the other files get wrong. */
const loginSucceeded = defineEvent("login.succeeded", z.object({ userId: z.string(), ip: z.string() }), { key: (data) => data.userId });
const loginFailed = defineEvent("login.failed", z.object({ userId: z.string(), reason: z.string() }), { key: (data) => data.userId });
export const attackSuspected = defineEvent("login.attack_suspected", z.object({ userId: z.string(), failures: z.number() }));
export const loginEnded = defineEvent("login.ended", z.object({ userId: z.string() }));

export const alerts = defineStream("alerts", { events: [attackSuspected] });
export const loginEvents = defineTable("login_events", {
  columns: {
    event_id: c.uuid(),
    at: c.dateTime64(3),
    outcome: c.enum(["success", "failure"]),
    country: c.string().default(""),
    attempts: c.uint32().default(0),
  },
  orderBy: ["at", "event_id"],
});
export const rows = clickhouse(loginEvents);
const checkout = async (input: { readonly checkoutId: string; readonly cents: number }) => input.checkoutId;
export const checkouts = startWorkflow(checkout, { taskQueue: "checkout", workflowId: (input) => input.checkoutId });
export const logins = pipeline("logins").from(defineStream("logins", { events: [loginSucceeded, loginFailed] }));

// refused: Type 'number' is not assignable to type 'string'
startWorkflow(checkout, { taskQueue: "checkout", workflowId: (input) => input.cents });
// refused: Type 'number' is not assignable to type 'string'
startWorkflow(checkout, { taskQueue: "q", workflowId: (input) => input.checkoutId, searchAttributes: { Cents: { type: "Keyword", value: (input) => input.cents } } });
// refused: Property 'cartId' does not exist on type '{ readonly checkoutId: string; readonly cents: number; }'
startWorkflow(checkout, { taskQueue: "checkout", workflowId: (input) => input.cartId });
