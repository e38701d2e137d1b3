import { audit } from "../engine/audit.ts";
import { loadApp } from "./load-app.ts";
import { createLogger } from "./logger.ts";
import { exitCodes, printJson, printTable } from "./output.ts";
import { openBus, type Whereabouts } from "./services.ts";

const lossSentence =
  "events were removed from its streams before it had read them (trimmed, deleted or flushed): they have no outcome, and only their producers can send them again";

/** `headrace audit`: one line a pipeline; findings when one is not balanced, or has lost events. */
export async function auditVerb({ json, ...where }: Whereabouts & { readonly json: boolean }): Promise<number> {
  const app = await loadApp(where.cwd);
  const logger = createLogger();
  const bus = await openBus(where, logger);
  try {
    const audits = await Promise.all(app.pipelines.map((pipeline) => audit(pipeline, bus)));
    if (json) for (const one of audits) printJson(one);
    else printTable(audits.map(({ balanced, ...one }) => ({ ...one, balanced: balanced ? "yes" : "NO" })));
    for (const { pipeline, lost } of audits) if (lost > 0) logger.error({ pipeline, lost }, lossSentence);
    return audits.every(({ balanced, lost }) => balanced && lost === 0) ? exitCodes.fine : exitCodes.findings;
  } finally {
    await bus.close();
  }
}
