import { defineApp, defineStream } from "headrace";
import { loginEnded, loginFailed, loginSucceeded } from "../../../../pipelines/events.ts";
import { loginAnalyticsWith } from "../../login-analytics.ts";

/** The logins of the reference application in eight times as many partitions. */
export const logins64 = defineStream("logins", { events: [loginSucceeded, loginFailed, loginEnded], partitions: 64 });

export const app = defineApp({ pipelines: [loginAnalyticsWith({ sources: [logins64] })] });
