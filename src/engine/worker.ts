import { partitionsOf } from "../bus/partition.ts";
import type { Bus } from "../bus/port.ts";
import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/log.ts";
import { type OwnSinkPlan, type PipelinePlan, sinksOf } from "../plan/plan.ts";
import type { Sink } from "../sinks/port.ts";
import { compileFill } from "./fill.ts";
import { Gauge } from "./gauge.ts";
import { compilePacking } from "./outbox.ts";
import { own } from "./ownership.ts";
import { type ReaderDeps, readPartition } from "./partition-reader.ts";

export interface WorkerDeps {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Makes the sink of a plan, or gives the one that it made before: pipelines that write one table share its batches. */
  readonly sinkFor: (plan: OwnSinkPlan) => Sink;
}

export interface WorkerOptions {
  /** The name under which leases are held: unique to this process. */
  readonly instance: string;
  readonly pipelines: readonly PipelinePlan[];
  /** How long a lease lives without renewal, milliseconds. @default 10000 */
  readonly leaseTtlMs?: number;
  /** Events read and not yet committed, over all partitions, above which nothing more is read. @default 60000 */
  readonly maxInFlightEvents?: number;
}

/**
 * Runs pipelines: stands by for every partition of every source, and reads those whose lease it holds. Resolves when
 * `stop` has aborted and everything that was read is settled.
 *
 * @throws whatever stops a pipeline (ConfigError), after all the others were stopped in order
 */
export async function runWorker(options: WorkerOptions, deps: WorkerDeps, stop: AbortSignal): Promise<void> {
  const { instance, leaseTtlMs = 10_000, maxInFlightEvents = 60_000 } = options;
  const gauge = new Gauge(maxInFlightEvents);
  const failed = new AbortController();
  const either = AbortSignal.any([stop, failed.signal]);
  const readers = options.pipelines.flatMap((pipeline) => {
    const plans = Object.entries(sinksOf(pipeline));
    const sinks = new Map(plans.flatMap(([name, plan]) => (plan.kind === "stream" ? [] : [[name, deps.sinkFor(plan)]])));
    const derives = plans.some(([, { kind }]) => kind === "stream");
    const inOrder = derives || pipeline.stages.some(({ kind }) => kind === "fold");
    const pack = compilePacking(pipeline);
    return pipeline.sources.flatMap((stream) =>
      partitionsOf(stream).map((partition) => {
        const reader: ReaderDeps = { ...deps, gauge, sinks, pack, inOrder, fill: compileFill(pipeline, stream, partition) };
        return own(
          { partition, pipeline: pipeline.name },
          ({ fence, lost, lastDelivered }) => readPartition(fence, reader, { stop: either, lost, lastDelivered }),
          { deps, options: { owner: instance, ttlMs: leaseTtlMs }, stop: either },
        );
      }),
    );
  });
  const settled = await Promise.allSettled(
    readers.map((reader) =>
      reader.catch((error) => {
        failed.abort();
        throw error;
      }),
    ),
  );
  const failure = settled.find((result) => result.status === "rejected");
  if (failure) throw failure.reason;
}
