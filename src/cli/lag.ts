import { partitionsOf } from "../bus/partition.ts";
import { loadApp } from "./load-app.ts";
import { createLogger } from "./logger.ts";
import { exitCodes, printJson, printTable } from "./output.ts";
import { openBus, type Whereabouts } from "./services.ts";

/** `headrace lag`: how far each pipeline is with each partition. `pending` and `lag` count entries. */
export async function lagVerb({ json, ...where }: Whereabouts & { readonly json: boolean }): Promise<number> {
  const app = await loadApp(where.cwd);
  const bus = await openBus(where, createLogger());
  try {
    const lines = await Promise.all(
      app.pipelines.flatMap((pipeline) =>
        pipeline.sources.flatMap(partitionsOf).map(async (partition) => {
          const { owner = null, epoch, pendingEntries, lagEntries, oldest } = await bus.state(partition, pipeline.name);
          const oldestMs = oldest === undefined ? 0 : Math.max(0, Date.now() - oldest);
          return {
            pipeline: pipeline.name,
            stream: partition.stream,
            partition: partition.index,
            owner,
            epoch,
            pending: pendingEntries,
            lag: lagEntries,
            oldestMs,
          };
        }),
      ),
    );
    if (json) lines.forEach(printJson);
    else printTable(lines);
    return exitCodes.fine;
  } finally {
    await bus.close();
  }
}
