import { appLogins } from "../../../../pipelines/streams.ts";
import { hourlyCounts } from "../../hourly-counts.ts";

export const app = hourlyCounts(appLogins);
