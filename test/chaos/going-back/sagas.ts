import { fileURLToPath } from "node:url";
import { Client, Connection } from "@temporalio/client";
import { systemClock } from "../../../src/core/clock.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { sagaSearchAttributes } from "../../../src/core/search-attributes.ts";
import type { WorkflowSinkPlan } from "../../../src/plan/plan.ts";
import type { Sink } from "../../../src/sinks/port.ts";
import { addAttributes } from "../../../src/sinks/temporal/search-attributes.ts";
import { TemporalSink } from "../../../src/sinks/temporal/sink.ts";
import { startHeadrace } from "../../support/headrace.ts";
import { startTemporal } from "../services.ts";
import { sagaId, startsSaga } from "./pipelines/index.ts";
import type { NoteInput } from "./workflows/index.ts";

/** What there is of sagas. */
export interface Runs {
  /** The status of each run, by workflow. */
  readonly statuses: ReadonlyMap<string, readonly string[]>;
  /** The numbers whose start Temporal has confirmed to a worker. */
  readonly confirmed: ReadonlySet<number>;
}

/** A Temporal, and a process that runs sagas on it and on a Redis that goes back. */
export interface Sagas {
  sinkFor(plan: WorkflowSinkPlan): Sink;
  runs(): Promise<Runs>;
  /** What the process said. */
  said(): string;
  close(): Promise<void>;
}

export async function openSagas(
  { directory, env }: { readonly directory: string; readonly env: Readonly<Record<string, string>> },
  redisUrl: string,
): Promise<Sagas> {
  const temporal = await startTemporal(directory);
  const address = `127.0.0.1:${temporal.port}`;
  const connection = await Connection.connect({ address });
  await addAttributes(connection, { namespace: "default", wanted: sagaSearchAttributes });
  const client = new Client({ connection });
  const app = fileURLToPath(new URL(".", import.meta.url));
  const worker = await startHeadrace(["--cwd", app, "--dir", directory, "start", "--role", "saga", "--json"], {
    env: { ...env, REDIS_URL: redisUrl, TEMPORAL_ADDRESS: address },
  });
  const confirmed = new Set<number>();
  const giveUp = new AbortController();
  return {
    sinkFor: (plan) => {
      const sink = new TemporalSink(plan, { client, clock: systemClock, logger: silentLogger, signal: giveUp.signal });
      return {
        async write(rows) {
          const result = await sink.write(rows);
          const refused = new Set(result.rejected.map(({ row }) => row));
          for (const [i, row] of rows.entries()) if (!refused.has(i)) confirmed.add((row as NoteInput).n);
          return result;
        },
        get inFlightRows() {
          return sink.inFlightRows;
        },
        close: () => sink.close(),
      };
    },
    runs: async () => {
      const statuses = new Map<string, string[]>();
      for await (const { workflowId, status } of client.workflow.list())
        statuses.set(workflowId, [...(statuses.get(workflowId) ?? []), status.name]);
      return { statuses, confirmed };
    },
    said: () => worker.said(),
    close: async () => {
      giveUp.abort();
      await worker.stop();
      await connection.close();
      await temporal.close();
    },
  };
}

/** Each number that is in the log, or whose start was confirmed, has one run, which ended well; others are of numbers that are gone. */
export function faultsOfRuns({ statuses, confirmed }: Runs, inLog: ReadonlySet<number>, gone: number): readonly string[] {
  const wanted = new Set([...inLog, ...confirmed].filter(startsSaga).map(sagaId));
  const names = [...statuses.keys()];
  const faults = {
    "have no run": [...wanted].filter((name) => !statuses.has(name)),
    "were run twice": names.filter((name) => statuses.get(name)?.length !== 1),
    "have not ended well": names.filter((name) => statuses.get(name)?.some((status) => status !== "COMPLETED")),
  };
  const strangers = names.filter((name) => !wanted.has(name)).length;
  return [
    ...Object.entries(faults).flatMap(([what, which]) =>
      which.length > 0 ? [`the sagas: ${which.length} of ${wanted.size} ${what} (${which.slice(0, 5)})`] : [],
    ),
    ...(strangers > gone ? [`the sagas: ${strangers} are of no event that there ever was`] : []),
  ];
}
