import type { Client } from "@temporalio/client";
import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/log.ts";
import type { LimitFor } from "../../limit/limits.ts";
import { type OwnSinkPlan, targetOf } from "../../plan/plan.ts";
import type { RollupPlan } from "../../plan/table.ts";
import { markingSink } from "../../rollup/marking-sink.ts";
import type { Marks } from "../../rollup/port.ts";
import type { ClickHouse } from "../../sinks/clickhouse/client.ts";
import { createClickHouseSink } from "../../sinks/clickhouse/sink.ts";
import type { Sink } from "../../sinks/port.ts";
import { TemporalSink } from "../../sinks/temporal/sink.ts";

export interface SinkDeps {
  readonly clickhouse: ClickHouse;
  readonly temporal: Client;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Gives up what is still under way. */
  readonly signal: AbortSignal;
  readonly limitFor: LimitFor;
  readonly rollups: readonly RollupPlan[];
  /** There where there are rollups. */
  readonly marks: Marks | undefined;
}

/** Joins descriptors with drivers: one sink for each target, shared by all that write to it. */
export function createSinks(deps: SinkDeps): {
  readonly sinkFor: (plan: OwnSinkPlan) => Sink;
  readonly close: () => Promise<void>;
} {
  const sinks = new Map<string, Sink>();
  const sinkFor = (plan: OwnSinkPlan): Sink => {
    const name = targetOf(plan);
    const sink = sinks.get(name) ?? createSink(plan, deps);
    sinks.set(name, sink);
    return sink;
  };
  return { sinkFor, close: async () => void (await Promise.all([...sinks.values()].map((sink) => sink.close()))) };
}

function createSink(plan: OwnSinkPlan, deps: SinkDeps): Sink {
  const { clickhouse, temporal, clock, logger, signal, limitFor, marks } = deps;
  const rateLimit = plan.guards?.rateLimit;
  const limit = rateLimit && limitFor(rateLimit, `sink:${targetOf(plan)}`);
  switch (plan.kind) {
    case "clickhouse": {
      const sink = createClickHouseSink(plan, { client: clickhouse, signal, clock, logger, limit });
      const rollups = deps.rollups.filter(({ from }) => from === plan.table);
      return marks && rollups.length > 0 ? markingSink(sink, rollups, { marks, clock, logger, signal }) : sink;
    }
    case "temporal":
      return new TemporalSink(plan, { client: temporal, clock, logger, signal, limit });
    default:
      return plan satisfies never;
  }
}
