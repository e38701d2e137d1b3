import { audit } from "../engine/audit.ts";
import { loadApp } from "./load-app.ts";
import { createLogger } from "./logger.ts";
import { exitCodes, printJson, printTable } from "./output.ts";
import { openBus, type Whereabouts } from "./services.ts";

/** `headrace audit`: one line a pipeline; findings when one is not balanced. */
export async function auditVerb({ json, ...where }: Whereabouts & { readonly json: boolean }): Promise<number> {
  const app = await loadApp(where.cwd);
  const bus = await openBus(where, createLogger());
  try {
    const audits = await Promise.all(app.pipelines.map((pipeline) => audit(pipeline, bus)));
    if (json) for (const one of audits) printJson(one);
    else printTable(audits.map(({ balanced, ...one }) => ({ ...one, balanced: balanced ? "yes" : "NO" })));
    return audits.every(({ balanced }) => balanced) ? exitCodes.fine : exitCodes.findings;
  } finally {
    await bus.close();
  }
}
