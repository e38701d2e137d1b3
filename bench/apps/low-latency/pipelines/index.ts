import { clickhouse, defineApp } from "headrace";
import { loginEvents } from "../../../../pipelines/tables.ts";
import { loginAnalyticsWith } from "../../login-analytics.ts";

/** Rows go out as soon as no insert of the table is under way. */
const sink = clickhouse(loginEvents, { minIntervalMs: 0 });

export const app = defineApp({ pipelines: [loginAnalyticsWith({ sink })] });
