import { type ColumnType, isTime, natureOf } from "./column-type.ts";
import type { Finding } from "./finding.ts";
import { type PipelinePlan, sinksOf } from "./plan.ts";
import type { TablePlan } from "./table.ts";

/**
 * Tables in which rows of one sorting key may differ, with nothing that says which of them holds: it would be the one that landed last,
 * and that may be a late insert of a worker whose lease was lost meanwhile.
 */
export function checkVersions(pipelines: readonly PipelinePlan[]): readonly Finding[] {
  const told = new Set<TablePlan>();
  return pipelines.flatMap((pipeline) =>
    Object.values(sinksOf(pipeline)).flatMap((sink): readonly Finding[] => {
      if (sink.kind !== "clickhouse" || told.has(sink.table)) return [];
      const { table } = sink;
      const why = whyUnsure(table, pipeline);
      if (why === undefined) return [];
      told.add(table);
      return [
        {
          code: "no-version",
          where: `table '${table.name}'`,
          message: `rows of one sorting key (${table.orderBy.join(", ")}) may differ, ${why}, and none says which is newer: a late insert of a worker that had stood still would win`,
          hint: 'Give it engine: { kind: "replacingMergeTree", version: "<column>" }, a column that grows with each change, such as the time of its event; or unchanging: true where all rows of a key are the same. \'headrace migrate\' carries the rows over.',
        },
      ];
    }),
  );
}

function whyUnsure({ engine, orderBy, columns }: TablePlan, { name, stages }: PipelinePlan): string | undefined {
  if (engine.kind === "mergeTree" || engine.version !== undefined || engine.unchanging) return undefined;
  if (stages.some((stage) => stage.kind === "window" && stage.early))
    return `since the windows of pipeline '${name}' tell results early`;
  const key = columns.filter(({ name }) => orderBy.includes(name));
  return key.some(({ type }) => pins(type)) ? undefined : "since it holds neither a time nor an id";
}

/** What is in the sorting key of an event's own row: its id, or the time of what it tells. */
const pins = (type: ColumnType): boolean => isTime(type) || natureOf(type) === "id";
