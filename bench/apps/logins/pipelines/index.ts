import { defineApp } from "headrace";
import { loginAnalytics } from "../../../../pipelines/login-analytics.ts";

/** The job that the rivals do: the pipeline of the reference application, without its rollups. */
export const app = defineApp({ pipelines: [loginAnalytics] });
