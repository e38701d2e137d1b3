import { ConfigError } from "../core/errors.ts";
import type { ViewPlan } from "../plan/table.ts";
import { checkName } from "./table.ts";

/** A stored SELECT. */
export interface View {
  readonly kind: "view";
  /** The view as data. */
  readonly plan: ViewPlan;
}

/**
 * Defines a view for people: a SELECT, in SQL, over tables and aggregates that come before it in the application.
 *
 * @throws ConfigError `config.invalid` where the name cannot be one or the SQL is no SELECT.
 * @example
 * const perDay = defineView("logins_per_day", "SELECT toDate(at) AS day, count() AS logins FROM logins FINAL GROUP BY day");
 */
export function defineView(name: string, sql: string): View {
  checkName("view", name);
  const text = sql.trim().replace(/\s*;$/, "");
  if (!/^(select|with|\()/i.test(text)) {
    throw new ConfigError("config.invalid", `The view '${name}' is not a SELECT`, {
      hint: "Give defineView one SELECT statement.",
    });
  }
  return { kind: "view", plan: { kind: "view", name, sql: text } };
}
