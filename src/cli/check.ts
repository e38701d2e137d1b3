import { HeadraceError, messageOf, RetryableError } from "../core/errors.ts";
import { checkApp, type Finding } from "../plan/check.ts";
import { describe } from "../plan/describe.ts";
import { describeDoor, doorsOf } from "../plan/doors.ts";
import type { AppPlan } from "../plan/plan.ts";
import { findChanges } from "../registry/deployments.ts";
import { redisDeployments } from "../registry/redis/deployments.ts";
import { missingImports } from "./check/missing-imports.ts";
import { loadApp } from "./load-app.ts";
import { createLogger } from "./logger.ts";
import { exitCodes, printJson, printLine, say } from "./output.ts";
import { openRedis, type ServiceLocation } from "./services.ts";

/** How long Redis has to answer, milliseconds: nobody is to wait for a service that is not there. */
const answerWithinMs = 3_000;

/**
 * `headrace check`: every pipeline looked over, without a service. Where a Redis is found, also whether it can go on from what is
 * deployed there.
 */
export async function checkVerb({ json, ...where }: ServiceLocation & { readonly json: boolean }): Promise<number> {
  const { pipelines, doors, findings } = await look(where, json);
  const ok = findings.length === 0;
  if (json) printJson(ok ? { ok } : { ok, findings });
  else {
    for (const plan of pipelines) printLine(describe({ plan }));
    for (const [stream, door] of doors) printLine(describeDoor(stream, door));
    for (const { code, where, message, hint } of findings) printLine(`${code}: ${where}: ${message}\n  ${hint}`);
    if (ok) printLine(`ok: ${pipelines.length} pipelines`);
  }
  return ok ? exitCodes.fine : exitCodes.findings;
}

/** A definition that throws while it is made is a finding too; so is an application that cannot be loaded, for those who read JSON. */
async function look(where: ServiceLocation, json: boolean) {
  const missing = missingImports(where.cwd);
  if (missing.length > 0) return { pipelines: [], doors: [], findings: missing };
  try {
    const app = await loadApp(where.cwd);
    return { pipelines: app.pipelines, doors: doorsOf(app), findings: [...checkApp(app), ...(await changes(app, where))] };
  } catch (error) {
    if (!(error instanceof HeadraceError) || (error.code !== "config.invalid" && !json)) throw error;
    return {
      pipelines: [],
      doors: [],
      findings: [{ code: error.code, where: "pipelines/index.ts", message: messageOf(error), hint: error.hint ?? "" }],
    };
  }
}

async function changes(app: AppPlan, where: ServiceLocation): Promise<readonly Finding[]> {
  try {
    return await within(answerWithinMs, async () => {
      const redis = await openRedis(where, createLogger(), "headrace-check");
      try {
        return await findChanges(app, redisDeployments(redis));
      } finally {
        await redis.close();
      }
    });
  } catch (error) {
    say(`Not compared with what is deployed: ${messageOf(error)}.`);
    return [];
  }
}

async function within<Result>(ms: number, work: () => Promise<Result>): Promise<Result> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new RetryableError("service.unreachable", `Redis has not answered within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}
