import { defineApp, pipeline, startWorkflow } from "headrace";
import { logins } from "../../../../pipelines/streams.ts";

/** Nobody runs it: what is measured is its start. */
async function nothing(_: { readonly id: string }): Promise<void> {}

/** No id of a run before: Temporal remembers them. */
const run = Date.now().toString(36);

/** Starts a workflow for each event. */
export const app = defineApp({
  pipelines: [
    pipeline("login-analytics")
      .from(logins)
      .to(startWorkflow(nothing, { taskQueue: "nobody", workflowId: ({ id }) => `${run}/${id}` }), ({ id }) => ({ id })),
  ],
});
