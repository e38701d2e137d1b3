import { days, defineApp, defineSchedule, minutes } from "headrace";
import { archiveNightly, cleanLogs } from "headrace/archive/workflows";
import { cartSweep } from "../workflows/cart-sweep.ts";
import { carts } from "./carts.ts";
import { sshd } from "./formats/sshd.ts";
import { loginAnalytics } from "./login-analytics.ts";
import { loginAttacks } from "./login-attacks.ts";
import { loginFailures } from "./login-failures.ts";
import { orders } from "./orders.ts";
import { cartEvents, derived, loginEvents } from "./tables.ts";

/** Each night the day that has been in its table for a month. A run that failed pauses the schedule: the days behind it wait for a person. */
const archived = (table: { readonly plan: { readonly name: string } }) =>
  defineSchedule(`archive-${table.plan.name}`, archiveNightly, {
    taskQueue: "archive",
    input: { table: table.plan.name, keepDays: 30 },
    dailyAt: "02:15",
    overlap: "wait",
    catchUpMs: days(7),
    pauseOnFailure: true,
  });

/** The reference application: what `headrace` runs in this directory. */
export const app = defineApp({
  pipelines: [loginAnalytics, loginFailures, loginAttacks, carts, orders],
  tables: derived,
  formats: [sshd],
  archives: [loginEvents, cartEvents],
  schedules: [
    defineSchedule("cart-sweep", cartSweep, { taskQueue: "carts", everyMs: minutes(10), input: {} }),
    archived(loginEvents),
    archived(cartEvents),
    defineSchedule("clean-logs", cleanLogs, { taskQueue: "archive", dailyAt: "03:45" }),
  ],
});
