import { type PipelinePlan, type SinkPlan, type StagePlan, type StreamPlan, sinksOf } from "./plan.ts";
import { describeGuards } from "./stage-guards.ts";
import type { WindowShape } from "./window.ts";

/**
 * A pipeline's plan in words, a line a stage, for people and for tests.
 *
 * @example
 * ```ts
 * console.log(describe(loginAnalytics));
 * // login-analytics
 * //   from   logins (8 partitions)
 * //   to     clickhouse login_events
 * ```
 */
export function describe(pipeline: { readonly plan: PipelinePlan }): string {
  const { name, sources, sourceGuards, stages, end } = pipeline.plan;
  const line = (verb: string, what: string, guards = "") => `  ${verb.padEnd(8)}${what}${guards && ` (${guards})`}`;
  return [
    name,
    ...sources.map((stream) => line("from", describeStream(stream))),
    ...(sourceGuards?.rateLimit ? [line("at most", describeGuards(sourceGuards))] : []),
    ...stages.map((stage) => line(stage.kind, stage.name, describeStage(stage))),
    ...Object.entries(sinksOf(pipeline.plan)).map(([destination, sink]) =>
      line(
        end.kind,
        end.kind === "to" ? describeSink(sink) : `${destination} → ${describeSink(sink)}`,
        describeGuards(sink.guards),
      ),
    ),
  ].join("\n");
}

/** What a stage does beside its name. Two that differ in it keep different states. */
function describeStage(stage: StagePlan): string {
  switch (stage.kind) {
    case "filter":
      return "";
    case "map":
    case "flatMap":
      return describeGuards(stage.guards);
    case "enrich":
      return [`${stage.cache.maxEntries} keys for ${stage.cache.ttlMs} ms`, describeGuards(stage.guards)]
        .filter(Boolean)
        .join(", ");
    case "fold":
      return stage.version === 1 ? "" : `version ${stage.version}`;
    case "window":
      return `${describeShape(stage.shape)}, up to ${stage.allowedLatenessMs} ms late${stage.early ? ", early" : ""}: ${Object.entries(
        stage.aggregators,
      )
        .map(([name, { does }]) => `${name} = ${does}`)
        .join(", ")}`;
    case "join":
      return `${stage.beforeMs} ms before to ${stage.afterMs} ms after, up to ${stage.allowedLatenessMs} ms late`;
    case "dedupe":
      return `for ${stage.horizonMs} ms`;
    default:
      return stage satisfies never;
  }
}

function describeShape(shape: WindowShape): string {
  switch (shape.kind) {
    case "aligned": {
      const { sizeMs, hopMs, offsetMs } = shape;
      const from = offsetMs === 0 ? "" : ` from ${offsetMs} ms on`;
      return sizeMs === hopMs ? `tumbling ${sizeMs} ms${from}` : `hopping ${sizeMs} ms each ${hopMs} ms${from}`;
    }
    case "day":
      return `day in ${shape.timeZone}`;
    case "session":
      return `session, gap ${shape.gapMs} ms`;
    default:
      return shape satisfies never;
  }
}

const describeStream = ({ name, layout }: StreamPlan): string =>
  layout.kind === "adopted" ? `${name} (adopted: ${layout.redisKey})` : `${name} (${layout.partitions} partitions)`;

function describeSink(sink: SinkPlan): string {
  switch (sink.kind) {
    case "clickhouse":
      return `clickhouse ${sink.table.name}`;
    case "temporal":
      return sink.call.kind === "start"
        ? `temporal ${sink.call.workflow} on ${sink.call.taskQueue}`
        : `temporal ${sink.call.kind} ${sink.call.name}`;
    case "stream":
      return `stream ${sink.stream.name}`;
    default:
      return sink satisfies never;
  }
}
