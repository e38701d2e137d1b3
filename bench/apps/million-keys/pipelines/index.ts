import { clickhouse, defineApp, pipeline } from "headrace";
import { loginAnalytics } from "../../../../pipelines/login-analytics.ts";
import { logins } from "../../../../pipelines/streams.ts";
import { loginEvents } from "../../../../pipelines/tables.ts";
import { uniqueKeyOf } from "../../keys.ts";

const { end } = loginAnalytics.plan;
if (end.kind !== "to") throw new Error("login-analytics does not end in one sink any more");

/** A state for each event of a run, as large as a small one of an application. */
export const app = defineApp({
  pipelines: [
    pipeline("login-analytics")
      .from(logins)
      .keyBy(uniqueKeyOf)
      .fold("last-login", {
        initial: { ip: "", at: "", times: 0 },
        decide: (_, event) => [event],
        evolve: ({ times }, { time, data }) => ({ ip: data.ip ?? "", at: time.toISOString(), times: times + 1 }),
      })
      .to(clickhouse(loginEvents), end.toRow as never),
  ],
});
