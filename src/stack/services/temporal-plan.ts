import { join } from "node:path";
import { sagaSearchAttributes } from "../../core/search-attributes.ts";
import type { ServicePlan } from "../service.ts";
import { sqlitePragmas, temporalNamespace } from "../settings.ts";

/** Temporal's development server on the loopback, its database in `<dir>/temporal`, its UI on a port of its own. */
export function temporalPlan(options: { binary: string; dir: string; port: number; uiPort: number }): ServicePlan {
  const pairs = (flag: string, values: Readonly<Record<string, string>>): string[] =>
    Object.entries(values).flatMap(([name, value]) => [flag, `${name}=${value}`]);
  return {
    name: "temporal",
    title: "Temporal",
    command: options.binary,
    args: [
      ...["server", "start-dev", "--ip", "127.0.0.1", "--port", String(options.port), "--ui-port", String(options.uiPort)],
      ...["--db-filename", join(options.dir, "temporal", "temporal.db"), "--log-level", "error"],
      ...pairs("--sqlite-pragma", sqlitePragmas),
      ...pairs("--search-attribute", sagaSearchAttributes),
    ],
    logFile: join(options.dir, "logs", "temporal.log"),
    port: options.port,
    check: () => askTemporal(options.port, options.uiPort),
  };
}

/**
 * The frontend answers before its namespace is there. The UI comes up behind it, and is asked first: Temporal's client waits for a second
 * before it tries again where nobody listens yet.
 */
async function askTemporal(port: number, uiPort: number): Promise<void> {
  const { Connection } = await import("@temporalio/client");
  const answer = await fetch(`http://127.0.0.1:${uiPort}/`, { signal: AbortSignal.timeout(2_000), redirect: "manual" });
  await answer.arrayBuffer();
  const connection = await Connection.connect({ address: `127.0.0.1:${port}`, connectTimeout: 2_000 });
  try {
    await connection.workflowService.describeNamespace({ namespace: temporalNamespace });
  } finally {
    await connection.close();
  }
}
