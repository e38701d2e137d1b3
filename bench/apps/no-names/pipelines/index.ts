import { defineApp, defineStream } from "headrace";
import { loginEnded, loginFailed, loginSucceeded } from "../../../../pipelines/events.ts";
import { loginAnalyticsWith } from "../../login-analytics.ts";

/** The logins of another program, whose names are not remembered. */
const nameless = defineStream("app-logins", {
  events: [loginSucceeded, loginFailed, loginEnded],
  adopt: "app:logins",
  identity: "forget",
});

export const app = defineApp({ pipelines: [loginAnalyticsWith({ sources: [nameless] })] });
