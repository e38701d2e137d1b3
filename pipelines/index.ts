import { defineApp, defineSchedule, minutes } from "headrace";
import { cartSweep } from "../workflows/cart-sweep.ts";
import { carts } from "./carts.ts";
import { sshd } from "./formats/sshd.ts";
import { loginAnalytics } from "./login-analytics.ts";
import { loginAttacks } from "./login-attacks.ts";
import { loginFailures } from "./login-failures.ts";
import { orders } from "./orders.ts";
import { derived } from "./tables.ts";

/** The reference application: what `headrace` runs in this directory. */
export const app = defineApp({
  pipelines: [loginAnalytics, loginFailures, loginAttacks, carts, orders],
  tables: derived,
  formats: [sshd],
  schedules: [defineSchedule("cart-sweep", cartSweep, { taskQueue: "carts", everyMs: minutes(10) })],
});
