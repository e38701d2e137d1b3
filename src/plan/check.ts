import { sagaSearchAttributes } from "../core/search-attributes.ts";
import { checkVersions } from "./check-versions.ts";
import type { Finding } from "./finding.ts";
import { rateOf } from "./guards.ts";
import { firstKeyedStage } from "./keyed-state.ts";
import { type AppPlan, type PipelinePlan, rateLimitsOf, searchAttributesOf, sinksOf, targetOf } from "./plan.ts";
import { describeGuards } from "./stage-guards.ts";

export type { Finding } from "./finding.ts";

/** Looks an application over. An empty list means that it may start. */
export function checkApp(app: AppPlan): readonly Finding[] {
  const { pipelines } = app;
  return [
    ...checkPipelines(app),
    ...checkStreams(app),
    ...checkKeys(pipelines),
    ...checkDedupe(pipelines),
    ...checkRetired(pipelines),
    ...checkLimits(pipelines),
    ...checkSinkGuards(pipelines),
    ...checkVersions(pipelines),
    ...checkSearchAttributes(pipelines),
    ...checkCycles(pipelines),
  ];
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

/** States lie beside the partition that an event came from: the same key on two streams would have two. */
function checkKeys(pipelines: readonly PipelinePlan[]): readonly Finding[] {
  return pipelines.flatMap((pipeline): readonly Finding[] => {
    const keyed = firstKeyedStage(pipeline);
    if (!keyed || pipeline.sources.length === 1) return [];
    const streams = pipeline.sources.map(({ name }) => `'${name}'`).join(" and ");
    return [
      {
        code: "split-keys",
        where: `pipeline '${pipeline.name}'`,
        message: `its stage '${keyed.name}' keeps states by key, and it reads ${streams}: a key would have a state for each of them`,
        hint: "Let a pipeline without keyed stages emit both to one stream, and read that.",
      },
    ];
  });
}

/** A stream that says how old an event may be means it: what is older than `dedupe` remembers would come through again. */
function checkDedupe(pipelines: readonly PipelinePlan[]): readonly Finding[] {
  return pipelines.flatMap((pipeline) =>
    pipeline.stages.flatMap((stage) =>
      pipeline.sources.flatMap(({ name, maxAgeMs }): readonly Finding[] => {
        if (stage.kind !== "dedupe" || maxAgeMs === undefined || maxAgeMs <= stage.horizonMs) return [];
        const where = `pipeline '${pipeline.name}', stage '${stage.name}'`;
        const message = `it remembers an event for ${stage.horizonMs} ms, and stream '${name}' takes events that are ${maxAgeMs} ms old: one that comes again so late would count twice`;
        return [{ code: "dedupe-short", where, message, hint: "Give it a longer horizonMs, or the stream a shorter maxAgeMs." }];
      }),
    ),
  );
}

function checkRetired(pipelines: readonly PipelinePlan[]): readonly Finding[] {
  return pipelines.flatMap(({ name, stages, retired = [] }) =>
    stages
      .filter((stage) => retired.includes(stage.name))
      .map((stage) => ({
        code: "stage-retired" as const,
        where: `pipeline '${name}', stage '${stage.name}'`,
        message: "it is listed as retired, and is still there",
        hint: "Give it a new name, or take it from the list.",
      })),
  );
}

/** One bucket cannot fill at two rates. */
function checkLimits(pipelines: readonly PipelinePlan[]): readonly Finding[] {
  const owners = new Map<string, { readonly place: string; readonly rate: string }>();
  return pipelines.flatMap(rateLimitsOf).flatMap(({ place, rateLimit }): readonly Finding[] => {
    if (typeof rateLimit.shared !== "string") return [];
    const { perSecond, burst } = rateOf(rateLimit);
    const rate = `${perSecond} a second and ${burst} at once`;
    const other = owners.get(rateLimit.shared) ?? { place, rate };
    owners.set(rateLimit.shared, other);
    if (other.rate === rate) return [];
    const message = `the shared limit '${rateLimit.shared}' is ${rate} here, and ${other.rate} at ${other.place}`;
    return [{ code: "limit-clash", where: place, message, hint: "Give both the same numbers, or two names." }];
  });
}

/** In a namespace of Temporal's a name has one type. */
function checkSearchAttributes(pipelines: readonly PipelinePlan[]): readonly Finding[] {
  const owners = new Map(Object.entries(sagaSearchAttributes).map(([name, type]) => [name, `${type} of sagas`]));
  return pipelines.flatMap((pipeline) =>
    searchAttributesOf([pipeline]).flatMap(({ name, type }): readonly Finding[] => {
      const other = owners.get(name) ?? `${type} in pipeline '${pipeline.name}'`;
      owners.set(name, other);
      if (other.startsWith(`${type} `)) return [];
      const where = `pipeline '${pipeline.name}'`;
      const message = `the search attribute '${name}' is ${type} here, and ${other}`;
      return [{ code: "attribute-clash", where, message, hint: "Give it one type, or two names." }];
    }),
  );
}

/** All that write to one target in a process share its guards: those of the others would be passed over. */
function checkSinkGuards(pipelines: readonly PipelinePlan[]): readonly Finding[] {
  const owners = new Map<string, { readonly by: string; readonly guards: string }>();
  return pipelines.flatMap((pipeline) =>
    Object.values(sinksOf(pipeline)).flatMap((sink): readonly Finding[] => {
      if (sink.kind === "stream") return [];
      const [target, guards] = [targetOf(sink), describeGuards(sink.guards) || "none"];
      const other = owners.get(target) ?? { by: pipeline.name, guards };
      owners.set(target, other);
      if (other.guards === guards) return [];
      const message = `its guards of ${target} are ${guards}, and those in pipeline '${other.by}' are ${other.guards}`;
      return [
        {
          code: "guards-clash",
          where: `pipeline '${pipeline.name}'`,
          message,
          hint: "Share one sink, or give both the same guards.",
        },
      ];
    }),
  );
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
