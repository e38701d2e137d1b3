import { clickhouse, pipeline } from "headrace";
import { appLogins, logins } from "./streams.ts";
import { loginEvents } from "./tables.ts";

const outcomes = { "login.succeeded": "success", "login.failed": "failure", "login.ended": "ended" } as const;

/** Every login event becomes one row; the views of tables.ts count logins, failures and the length of sessions. */
export const loginAnalytics = pipeline("login-analytics")
  .from(logins, appLogins)
  .to(clickhouse(loginEvents), ({ id, type, time, source, data }) => ({
    event_id: id,
    user_id: data.userId,
    outcome: outcomes[type],
    at: time,
    ip: data.ip ?? "",
    session_id: "sessionId" in data ? data.sessionId : undefined,
    method: "method" in data ? data.method : undefined,
    reason: "reason" in data ? data.reason : undefined,
    device: "device" in data ? data.device : undefined,
    country: "country" in data ? data.country : undefined,
    source,
  }));
