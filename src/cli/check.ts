import { HeadraceError, messageOf } from "../core/errors.ts";
import { checkApp } from "../plan/check.ts";
import { describe } from "../plan/describe.ts";
import { loadApp } from "./load-app.ts";
import { exitCodes, printJson, printLine } from "./output.ts";

/** `headrace check`: every pipeline looked over, without a service. */
export async function checkVerb({ cwd, json }: { readonly cwd: string; readonly json: boolean }): Promise<number> {
  const { pipelines, findings } = await look(cwd, json);
  const ok = findings.length === 0;
  if (json) printJson(ok ? { ok } : { ok, findings });
  else {
    for (const plan of pipelines) printLine(describe({ plan }));
    for (const { code, where, message, hint } of findings) printLine(`${code}: ${where}: ${message}\n  ${hint}`);
    if (ok) printLine(`ok: ${pipelines.length} pipelines`);
  }
  return ok ? exitCodes.fine : exitCodes.findings;
}

/** A definition that throws while it is made is a finding too; so is an application that cannot be loaded, for those who read JSON. */
async function look(cwd: string, json: boolean) {
  try {
    const app = await loadApp(cwd);
    return { pipelines: app.pipelines, findings: checkApp(app) };
  } catch (error) {
    if (!(error instanceof HeadraceError) || (error.code !== "config.invalid" && !json)) throw error;
    return {
      pipelines: [],
      findings: [{ code: error.code, where: "pipelines/index.ts", message: messageOf(error), hint: error.hint ?? "" }],
    };
  }
}
