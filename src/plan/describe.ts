import { describeGuards } from "./describe-guards.ts";
import type { PipelinePlan, SinkPlan, StreamPlan } from "./plan.ts";
import { sinksOf } from "./plan.ts";

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
    ...stages.map((stage) => line(stage.kind, stage.name, "guards" in stage ? describeGuards(stage.guards) : "")),
    ...Object.entries(sinksOf(pipeline.plan)).map(([destination, sink]) =>
      line(
        end.kind,
        end.kind === "to" ? describeSink(sink) : `${destination} → ${describeSink(sink)}`,
        describeGuards(sink.guards),
      ),
    ),
  ].join("\n");
}

const describeStream = ({ name, layout }: StreamPlan): string =>
  layout.kind === "adopted" ? `${name} (adopted: ${layout.redisKey})` : `${name} (${layout.partitions} partitions)`;

function describeSink(sink: SinkPlan): string {
  switch (sink.kind) {
    case "clickhouse":
      return `clickhouse ${sink.table.name}`;
    case "temporal":
      return `temporal ${sink.workflow} on ${sink.taskQueue}`;
    case "stream":
      return `stream ${sink.stream.name}`;
    default:
      return sink satisfies never;
  }
}
