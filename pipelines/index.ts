import { defineApp } from "headrace";
import { carts } from "./carts.ts";
import { sshd } from "./formats/sshd.ts";
import { loginAnalytics } from "./login-analytics.ts";
import { orders } from "./orders.ts";
import { derived } from "./tables.ts";

/** The reference application: what `headrace` runs in this directory. */
export const app = defineApp({
  pipelines: [loginAnalytics, carts, orders],
  tables: derived,
  formats: [sshd],
});
