/** The streams, events and sinks that the tests of the DSL's types share. */
import { c, clickhouse, defineEvent, defineStream, defineTable, type Event, pipeline, startWorkflow } from "headrace";
import { z } from "zod";

export const loginSucceeded = defineEvent("login.succeeded", z.object({ userId: z.string(), ip: z.string() }), {
  key: (data) => data.userId,
});
export const loginFailed = defineEvent("login.failed", z.object({ userId: z.string(), reason: z.string().optional() }), {
  key: (data) => data.userId,
});
export const attackSuspected = defineEvent("login.attack_suspected", z.object({ userId: z.string(), failures: z.number() }));
export type Succeeded = Event<"login.succeeded", { userId: string; ip: string }>;
export type Failed = Event<"login.failed", { userId: string; reason?: string | undefined }>;
export type Login = Succeeded | Failed;

export const logins = defineStream("logins", { events: [loginSucceeded, loginFailed] });
export const alerts = defineStream("alerts", { events: [attackSuspected] });
export const table = defineTable("login_events", {
  columns: {
    event_id: c.uuid(),
    at: c.dateTime64(3),
    outcome: c.enum(["success", "failure"]),
    country: c.string().default(""),
    attempts: c.uint32().default(0),
  },
  orderBy: ["at", "event_id"],
});
export const rows = clickhouse(table);
export interface Order {
  readonly id: string;
  readonly lines: { readonly sku: string; readonly kind: "physical" | "digital" }[];
}
export const checkout = async (input: Order) => input.id;
export const checkouts = startWorkflow(checkout, { taskQueue: "checkout", workflowId: (input) => input.id });
export const source = pipeline("logins").from(logins);
