import type { Client } from "@temporalio/client";
import type { Clock } from "../core/clock.ts";
import { getOrMake } from "../core/get-or-make.ts";
import type { Logger } from "../core/log.ts";
import type { RateLimit } from "../core/rate-limit.ts";
import type { LimitFor } from "../limit/limits.ts";
import { type ClickHouseSinkPlan, type OwnSinkPlan, targetOf, type WorkflowSinkPlan } from "../plan/plan.ts";
import type { RollupPlan } from "../plan/table.ts";
import { markingSink } from "../rollup/marking-sink.ts";
import type { DirtyMarks } from "../rollup/port.ts";
import type { ClickHouse } from "../sinks/clickhouse/client.ts";
import { createClickHouseSink } from "../sinks/clickhouse/sink.ts";
import type { SinkGuards } from "../sinks/guarded-call.ts";
import type { Sink } from "../sinks/port.ts";
import { noTelemetry, type Telemetry } from "../telemetry/port.ts";

export interface SinkDeps {
  /** There where a pipeline writes a table. */
  readonly clickhouse: ClickHouse | undefined;
  /** There where a pipeline calls a workflow. */
  readonly temporal: Client | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Gives up what is still under way. */
  readonly signal: AbortSignal;
  readonly limitFor: LimitFor;
  /** @default nobody is told */
  readonly telemetry?: Telemetry;
  readonly rollups: readonly RollupPlan[];
  /** There where there are rollups. */
  readonly marks: DirtyMarks | undefined;
}

/**
 * Joins descriptors with drivers. All that write to one table share a sink, so that inserts are few and large; all that call one workflow
 * share its guards, and each calls it in its own way.
 */
export async function createSinks(deps: SinkDeps): Promise<{
  readonly sinkFor: (plan: OwnSinkPlan) => Sink;
  readonly close: () => Promise<void>;
}> {
  const { clock, logger, signal, limitFor, telemetry = noTelemetry } = deps;
  // Temporal's client takes a third of a second to load, for those who call workflows.
  const calls = deps.temporal && (await import("../sinks/temporal/sink.ts"));
  const inserting = new Map<string, Sink>();
  const calling = new Map<WorkflowSinkPlan, Sink>();
  const guards = new Map<string, SinkGuards>();

  const limitOf = (plan: OwnSinkPlan) => plan.guards?.rateLimit && limitFor(plan.guards.rateLimit, `sink:${targetOf(plan)}`);
  const guardsFor = (plan: WorkflowSinkPlan) =>
    opened(calls).createCallGuards(plan, { clock, logger, telemetry, limit: limitOf(plan) });
  const sinkFor = (plan: OwnSinkPlan): Sink => {
    const target = targetOf(plan);
    switch (plan.kind) {
      case "clickhouse":
        return getOrMake(inserting, target, () => insertingSink(plan, { ...deps, limit: limitOf(plan) }));
      case "temporal": {
        const shared = getOrMake(guards, target, () => guardsFor(plan));
        return getOrMake(
          calling,
          plan,
          () =>
            new (opened(calls).TemporalSink)(plan, {
              client: opened(deps.temporal),
              clock,
              logger,
              telemetry,
              signal,
              guards: shared,
            }),
        );
      }
      default:
        return plan satisfies never;
    }
  };
  const close = async () => void (await Promise.all([...inserting.values(), ...calling.values()].map((sink) => sink.close())));
  return { sinkFor, close };
}

function insertingSink(
  plan: ClickHouseSinkPlan,
  { clickhouse: client, marks, limit, ...deps }: SinkDeps & { readonly limit: RateLimit | undefined },
): Sink {
  const sink = createClickHouseSink(plan, { client: opened(client), limit, ...deps });
  const rollups = deps.rollups.filter(({ from }) => from === plan.table);
  return marks && rollups.length > 0 ? markingSink(sink, rollups, { marks, ...deps }) : sink;
}

/** What a plan needs was opened before: whoever opens looks at all plans. */
const opened = <Service>(service: Service | undefined): Service => service as Service;
