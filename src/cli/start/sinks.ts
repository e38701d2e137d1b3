import type { Client } from "@temporalio/client";
import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/log.ts";
import type { OwnSinkPlan } from "../../plan/plan.ts";
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

function targetOf(plan: OwnSinkPlan): string {
  switch (plan.kind) {
    case "clickhouse":
      return `clickhouse ${plan.table.name}`;
    case "temporal":
      return `temporal ${plan.taskQueue} ${plan.workflow}`;
    default:
      return plan satisfies never;
  }
}

function createSink(plan: OwnSinkPlan, { clickhouse, temporal, clock, logger, signal }: SinkDeps): Sink {
  switch (plan.kind) {
    case "clickhouse":
      return createClickHouseSink(plan, { client: clickhouse, signal, clock, logger });
    case "temporal":
      return new TemporalSink(plan, { client: temporal, clock, logger, signal });
    default:
      return plan satisfies never;
  }
}
