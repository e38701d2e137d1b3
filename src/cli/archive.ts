import { checkedTable } from "../archive/archived-day.ts";
import { listArchives } from "../archive/list.ts";
import type { ArchiveDeps } from "../archive/port.ts";
import { restoreDay } from "../archive/restore.ts";
import { ConfigError, messageOf, RetryableError } from "../core/errors.ts";
import { openArchive } from "../host/open-archive.ts";
import type { ArchiveLine, TableDay } from "../plan/archive.ts";
import { archiveAt } from "./archive-settings.ts";
import { loadApp } from "./load-app.ts";
import { createLogger } from "./logger.ts";
import { exitCodes, printJson, printLine, printTable, say } from "./output.ts";
import { openClickHouse, openMarks, openTemporal, type ServiceLocation } from "./services.ts";

type Sizes = Pick<ArchiveLine, "bytes" | "rawBytes">;

interface Options extends ServiceLocation {
  readonly json: boolean;
}

/** `headrace archive ls`: a line a day and generation. */
export async function archiveLs({ json, ...where }: Options): Promise<number> {
  return atArchive(where, async (archive) => {
    const lines = await listArchives(archive);
    if (json) {
      lines.forEach(printJson);
      return exitCodes.fine;
    }
    printTable(lines.map((line) => ({ ...line, ratio: ratioOf([line]) })));
    const archived = lines.filter(({ state }) => state !== "hot");
    say(
      archived.length === 0
        ? `Nothing is in the archive ${archive.store.name}.`
        : `${archived.length} in the archive ${archive.store.name}, ${ratioOf(archived)} times as small as the rows are.`,
    );
    return exitCodes.fine;
  });
}

/** `headrace archive run`: starts the saga, or joins the one that runs, and waits for it. */
export async function archiveRun(day: TableDay, { json, ...where }: Options): Promise<number> {
  const app = await loadApp(where.cwd);
  await checkedTable(day, { archives: app.archives, now: async () => Date.now() });
  const taskQueue = app.schedules.find(({ name }) => name === `archive-${day.table}`)?.taskQueue;
  if (taskQueue === undefined)
    throw new ConfigError("config.invalid", `there is no schedule 'archive-${day.table}'`, {
      hint: "Declare it with defineSchedule: it says on which task queue days are archived.",
    });
  const { connection, client } = await openTemporal(where);
  try {
    const handle = await client.workflow.start("archiveDay", {
      taskQueue,
      workflowId: `archive/${day.table}/${day.day}`,
      args: [day],
      // Two at a time there cannot be. One that has ended may be followed by another, which tells that it has nothing to do.
      workflowIdReusePolicy: "ALLOW_DUPLICATE",
      workflowIdConflictPolicy: "USE_EXISTING",
    });
    if (!json) say(`${handle.workflowId} runs. It goes on when this ends.`);
    const result = (await handle.result().catch((error: unknown) => {
      throw failed(day, error);
    })) as object;
    if (json) printJson({ ...day, ...result });
    else printLine(`${day.table} ${day.day}: ${sentenceOf(result)}`);
    return exitCodes.fine;
  } finally {
    await connection.close();
  }
}

/** `headrace archive restore`: a line a generation that is in the table again. */
export async function archiveRestore(day: TableDay, { json, ...where }: Options): Promise<number> {
  return atArchive(where, async (archive) => {
    const { manifests, wasThere } = await restoreDay(day, archive);
    for (const { table, generation, rows, bytes, rawBytes, hash } of manifests) {
      const line: ArchiveLine = { table, day: day.day, generation, rows, bytes, rawBytes, hash, state: "restored" };
      if (json) printJson(line);
      else
        printLine(`${table} ${day.day}, generation ${generation}: ${rows} rows ${wasThere ? "were" : "are"} in the table again`);
    }
    return exitCodes.fine;
  });
}

async function atArchive(where: ServiceLocation, work: (archive: ArchiveDeps) => Promise<number>): Promise<number> {
  const app = await loadApp(where.cwd);
  const clickhouse = await openClickHouse(where);
  try {
    const marks = await openMarks(where, createLogger());
    try {
      return await work(openArchive(app, { clickhouse, marks, at: archiveAt(where) }));
    } finally {
      await marks.close();
    }
  } finally {
    await clickhouse.close();
  }
}

/** How many times as large the rows are as their files, as measured; nothing where there are none. */
function ratioOf(lines: readonly Sizes[]): string {
  const sum = (of: "bytes" | "rawBytes") => lines.reduce((all, line) => all + line[of], 0);
  return sum("bytes") === 0 ? "" : (sum("rawBytes") / sum("bytes")).toFixed(1);
}

function sentenceOf(result: object): string {
  const { outcome, generation, rows, ...sizes } = result as { readonly outcome: string } & Pick<
    ArchiveLine,
    "generation" | "rows"
  > &
    Sizes;
  if (outcome !== "archived") return outcome;
  return `${rows} rows archived as generation ${generation}, ${sizes.bytes} bytes, ${ratioOf([sizes])} times as small as the rows are`;
}

function failed({ table, day }: TableDay, error: unknown): RetryableError {
  const cause = error instanceof Error ? error.cause : undefined;
  return new RetryableError("archive.failed", `${table} of ${day} was not archived: ${messageOf(cause ?? error)}`, {
    cause: error,
    hint: "Its rows are in the table. The Temporal UI shows each step.",
  });
}
