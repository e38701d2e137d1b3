import { logins } from "../../../../pipelines/streams.ts";
import { hourlyCounts } from "../../hourly-counts.ts";

export const app = hourlyCounts(logins);
