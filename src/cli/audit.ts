import { audit } from "../engine/audit.ts";
import { loadApp } from "./load-app.ts";
import { createLogger } from "./logger.ts";
import { exitCodes, printJson, printTable } from "./output.ts";
import { openBus, type ServiceLocation } from "./services.ts";

const lossSentence =
  "events were removed from its streams before it had read them (trimmed, deleted or flushed): they have no outcome, and only their producers can send them again";

const vanishedSentence =
  "events that producers were told are stored are gone from Redis (flushed, restored, or not yet on disk when it died): what was not read before is lost";

/** `headrace audit`: one line a pipeline; findings when one is not balanced, or events were lost. */
export async function auditVerb({ json, ...where }: ServiceLocation & { readonly json: boolean }): Promise<number> {
  const app = await loadApp(where.cwd);
  const logger = createLogger();
  const bus = await openBus(where, logger);
  try {
    const audits = await Promise.all(app.pipelines.map((pipeline) => audit(pipeline, bus)));
    if (json) for (const one of audits) printJson(one);
    else printTable(audits.map(({ balanced, ...one }) => ({ ...one, balanced: balanced ? "yes" : "NO" })));
    for (const { pipeline, lost, vanished } of audits) {
      if (lost > 0) logger.error({ pipeline, lost }, lossSentence);
      if (vanished > 0) logger.error({ pipeline, vanished }, vanishedSentence);
    }
    return audits.every(({ balanced, lost, vanished }) => balanced && lost === 0 && vanished === 0)
      ? exitCodes.fine
      : exitCodes.findings;
  } finally {
    await bus.close();
  }
}
