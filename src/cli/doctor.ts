import { HeadraceError } from "../core/errors.ts";
import { silentLogger } from "../core/log.ts";
import { type AppPlan, workflowSinksOf } from "../plan/plan.ts";
import { clickhouseFindings } from "./doctor/clickhouse-findings.ts";
import { deadLetterFindings } from "./doctor/dead-letter-findings.ts";
import { type DoctorFinding, failureOf } from "./doctor/finding.ts";
import { redisFindings } from "./doctor/redis-findings.ts";
import { streamFindings } from "./doctor/stream-findings.ts";
import { temporalFindings } from "./doctor/temporal-findings.ts";
import { loadApp } from "./load-app.ts";
import { exitCodes, printJson, printLine } from "./output.ts";
import { printable } from "./printable.ts";
import { openClickHouse, openRedis, openTemporal, type ServiceLocation } from "./services.ts";

const noApp: AppPlan = { kind: "app", streams: [], pipelines: [], tables: [], formats: [], schedules: [], archives: [] };

/** `headrace doctor`: what in the environment would lose data or fail; findings when there is an error or a warning. Changes nothing. */
export async function doctorVerb({ json, ...where }: ServiceLocation & { readonly json: boolean }): Promise<number> {
  const count = { error: 0, warning: 0, note: 0 };
  const tell = (findings: readonly DoctorFinding[]) => {
    for (const { severity, what, where: place, hint } of findings) {
      count[severity]++;
      if (json) printJson({ severity, what, where: place, hint });
      else printLine(`${severity.padEnd(7)}  ${printable(`${place}: ${what}`)}\n         ${printable(hint)}`);
    }
  };
  tell(nodeFindings());
  const app = await loadApp(where.cwd).catch((error) => {
    if (!(error instanceof HeadraceError)) throw error;
    tell([failureOf("application", error)]);
    return noApp;
  });
  tell(await checkRedis(where, app));
  tell(await checkClickHouse(where, app));
  if (workflowSinksOf(app.pipelines).length > 0) tell(await checkTemporal(where, app));
  const ok = count.error + count.warning === 0;
  if (json) printJson({ ok, errors: count.error, warnings: count.warning, notes: count.note });
  else printLine(`${ok ? "ok" : "not well"}: ${count.error} errors, ${count.warning} warnings, ${count.note} notes`);
  return ok ? exitCodes.fine : exitCodes.findings;
}

/** What package.json asks for under `engines`. */
const nodeFrom = [20, 19] as const;

function nodeFindings(): readonly DoctorFinding[] {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > nodeFrom[0] || (major === nodeFrom[0] && minor >= nodeFrom[1])) return [];
  const what = `Node ${process.versions.node} is too old`;
  return [{ severity: "error", where: "node", what, hint: `Install ${nodeFrom.join(".")} or newer.` }];
}

async function checkRedis(where: ServiceLocation, app: AppPlan): Promise<readonly DoctorFinding[]> {
  try {
    const redis = await openRedis(where, silentLogger, "headrace-doctor");
    try {
      return [...(await redisFindings(redis)), ...(await streamFindings(redis, app)), ...(await deadLetterFindings(redis, app))];
    } finally {
      await redis.close();
    }
  } catch (error) {
    return [failureOf("redis", error)];
  }
}

async function checkClickHouse(where: ServiceLocation, app: AppPlan): Promise<readonly DoctorFinding[]> {
  try {
    const clickhouse = await openClickHouse(where);
    try {
      return await clickhouseFindings(clickhouse, app.tables);
    } finally {
      await clickhouse.close();
    }
  } catch (error) {
    return [failureOf("clickhouse", error)];
  }
}

async function checkTemporal(where: ServiceLocation, app: AppPlan): Promise<readonly DoctorFinding[]> {
  try {
    const { connection, client } = await openTemporal(where);
    try {
      return await temporalFindings(client, app);
    } finally {
      await connection.close();
    }
  } catch (error) {
    return [failureOf("temporal", error)];
  }
}
