import { partitionsOf } from "../bus/partition.ts";
import { rollupsOf } from "../plan/rollup.ts";
import { loadApp } from "./load-app.ts";
import { createLogger } from "./logger.ts";
import { exitCodes, printJson, printLine, printTable } from "./output.ts";
import { openBus, openMarks, type ServiceLocation } from "./services.ts";

/** `headrace lag`: how far each pipeline is with each partition, in entries; then how many buckets of each rollup are to be counted again. */
export async function lagVerb({ json, ...where }: ServiceLocation & { readonly json: boolean }): Promise<number> {
  const app = await loadApp(where.cwd);
  const logger = createLogger();
  const rollups = rollupsOf(app);
  const bus = await openBus(where, logger);
  const marks = rollups.length > 0 ? await openMarks(where, logger) : undefined;
  try {
    const lines = await Promise.all(
      app.pipelines.flatMap((pipeline) =>
        pipeline.sources.flatMap(partitionsOf).map(async (partition) => {
          const { owner = null, epoch, pendingEntries, lagEntries, oldest } = await bus.state(partition, pipeline.name);
          return {
            pipeline: pipeline.name,
            stream: partition.stream,
            partition: partition.index,
            owner,
            epoch,
            pending: pendingEntries,
            lag: lagEntries,
            oldestMs: ageOf(oldest),
          };
        }),
      ),
    );
    // Read after the pipelines: what they have settled is marked by now.
    const behind = await Promise.all(
      rollups.map(async ({ name, from }) => {
        const dirty = (await marks?.dirty(name)) ?? [];
        const oldest = dirty.length > 0 ? Math.min(...dirty.map(({ since }) => since)) : undefined;
        return { rollup: name, table: from.name, dirty: dirty.length, oldestMs: ageOf(oldest) };
      }),
    );
    if (json) [...lines, ...behind].forEach(printJson);
    else {
      printTable(lines);
      if (behind.length > 0) printLine("");
      printTable(behind);
    }
    return exitCodes.fine;
  } finally {
    await marks?.close();
    await bus.close();
  }
}

const ageOf = (oldest: number | undefined): number => (oldest === undefined ? 0 : Math.max(0, Date.now() - oldest));
