import { type AppPlan, type PipelinePlan, sinksOf } from "./plan.ts";

/** Something that is wrong with an application, found without running it. */
export interface Finding {
  readonly code: "duplicate-name" | "cycle" | "key-clash" | "no-pipelines";
  /** The definition, such as `pipeline 'carts'`. */
  readonly where: string;
  readonly message: string;
  readonly hint: string;
}

/** Looks an application over. An empty list means that it may start. */
export function checkApp(app: AppPlan): readonly Finding[] {
  return [...checkPipelines(app), ...checkStreams(app), ...checkCycles(app.pipelines)];
}

function checkPipelines({ pipelines }: AppPlan): readonly Finding[] {
  if (pipelines.length === 0) {
    return [
      {
        code: "no-pipelines",
        where: "app",
        message: "the application has no pipelines",
        hint: "List them in defineApp({ pipelines: [...] }).",
      },
    ];
  }
  const names = pipelines.map(({ name }) => name);
  return names
    .filter((name, i) => names.indexOf(name) !== i)
    .map((name) => ({
      code: "duplicate-name",
      where: `pipeline '${name}'`,
      message: `two pipelines are called '${name}', and would share one consumer group: each would see only a part of the events`,
      hint: "Rename one of them.",
    }));
}

/** Two streams on one Redis key would read each other's entries. Keys that begin with `hr:{` are our own partitions. */
function checkStreams({ streams }: AppPlan): readonly Finding[] {
  const owners = new Map<string, string>();
  return streams.flatMap(({ name, layout }): readonly Finding[] => {
    if (layout.kind !== "adopted") return [];
    const other = layout.redisKey.startsWith("hr:{") ? "a partitioned stream" : owners.get(layout.redisKey);
    owners.set(layout.redisKey, `stream '${name}'`);
    if (other === undefined) return [];
    const message = `it lies on the Redis key '${layout.redisKey}', as does ${other}`;
    return [{ code: "key-clash", where: `stream '${name}'`, message, hint: "Share one definition, or adopt another key." }];
  });
}

/** Pipelines that feed each other in a circle would go on for ever. Each circle is found once, and written as a path. */
function checkCycles(pipelines: readonly PipelinePlan[]): readonly Finding[] {
  const edges = pipelines.flatMap((pipeline) =>
    Object.values(sinksOf(pipeline)).flatMap((sink) =>
      sink.kind === "stream"
        ? pipeline.sources.map((from) => ({ from: from.name, to: sink.stream.name, by: pipeline.name }))
        : [],
    ),
  );
  const findings: Finding[] = [];
  const done = new Set<string>();
  const walk = (stream: string, path: readonly (typeof edges)[number][]): void => {
    const start = path.findIndex((edge) => edge.from === stream);
    if (start >= 0) {
      const circle = path.slice(start);
      const text = [...circle.map(({ from, by }) => `${from} ─${by}─▶ `), stream].join("");
      findings.push({
        code: "cycle",
        where: circle.map(({ by }) => `pipeline '${by}'`).join(", "),
        message: `the pipelines feed each other in a circle: ${text}`,
        hint: "Send the derived events to a stream that none of them reads.",
      });
      return;
    }
    if (done.has(stream)) return;
    for (const edge of edges.filter(({ from }) => from === stream)) walk(edge.to, [...path, edge]);
    done.add(stream);
  };
  for (const { from } of edges) walk(from, []);
  return findings;
}
