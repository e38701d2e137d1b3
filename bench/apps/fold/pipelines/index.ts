import { clickhouse, defineApp, pipeline } from "headrace";
import { loginAnalytics } from "../../../../pipelines/login-analytics.ts";
import { logins } from "../../../../pipelines/streams.ts";
import { loginEvents } from "../../../../pipelines/tables.ts";
import { keyOf } from "../../keys.ts";

const { end } = loginAnalytics.plan;
if (end.kind !== "to") throw new Error("login-analytics does not end in one sink any more");

/** The pipeline of the reference application with a fold in front of its rows: each event moves a count of its key. */
export const app = defineApp({
  pipelines: [
    pipeline("login-analytics")
      .from(logins)
      .keyBy(keyOf)
      .fold("count", { initial: { n: 0 }, decide: (_, event) => [event], evolve: ({ n }) => ({ n: n + 1 }) })
      .to(clickhouse(loginEvents), end.toRow as never),
  ],
});
