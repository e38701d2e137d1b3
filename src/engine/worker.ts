import { partitionsOf } from "../bus/partition.ts";
import type { Bus } from "../bus/port.ts";
import type { Clock } from "../core/clock.ts";
import { seconds } from "../core/duration.ts";
import type { Logger } from "../core/log.ts";
import { settleAll } from "../core/settle-all.ts";
import { createLimits, type LimitFor } from "../limit/limits.ts";
import { type OwnSinkPlan, type PipelinePlan, sinksOf } from "../plan/plan.ts";
import type { Presence } from "../registry/port.ts";
import type { Sink } from "../sinks/port.ts";
import { guardStages } from "../stages/guard.ts";
import { formsOf } from "../state/forms.ts";
import { own } from "./assign/ownership.ts";
import { Shares } from "./assign/shares.ts";
import { pacedPacking } from "./commit/derived-guard.ts";
import { InFlight } from "./commit/in-flight.ts";
import { compilePacking } from "./commit/outbox.ts";
import { type ReaderDeps, readPartition, type Stages } from "./partition-reader.ts";
import { compileFill } from "./process/fill.ts";
import { compileKeyedFill } from "./process/keyed-fill.ts";
import { paced } from "./process/source-guard.ts";
import { Quarantine } from "./read/quarantine.ts";
import { Trimmer } from "./trimmer.ts";

export interface WorkerDeps {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Makes the sink of a plan, or gives the one that it made before: pipelines that write one table share its batches. */
  readonly sinkFor: (plan: OwnSinkPlan) => Sink;
  /** Makes the rate limits of guards. @default limits of this process alone; then a shared one is refused */
  readonly limitFor?: LimitFor;
  /** This process in the registry: the workers there share the partitions. Without one, a worker takes all that is free. */
  readonly presence?: Presence;
}

export interface WorkerOptions {
  /** The name under which leases are held: unique to this process. */
  readonly instance: string;
  readonly pipelines: readonly PipelinePlan[];
  /** The application's pipelines that run elsewhere: what they have not read is not trimmed. @default none */
  readonly others?: readonly PipelinePlan[];
  /** How long a lease lives without renewal, milliseconds. @default 10000 */
  readonly leaseTtlMs?: number;
  /** Events read and not yet committed, over all partitions, above which nothing more is read. @default 60000 */
  readonly maxInFlightEvents?: number;
  /** The same in bytes of their entries, inflated. What they become takes several times as much. @default 64 MiB */
  readonly maxInFlightBytes?: number;
  /** Memory for keyed states that are committed, over all partitions, bytes, roughly. @default 64 MiB */
  readonly stateCacheBytes?: number;
  /** Events that go through the stages of a pipeline with keyed state together; what comes out is the same. @default 1000 */
  readonly portionEvents?: number;
}

const defaultIdleMs = seconds(30);

/**
 * Runs pipelines: stands by for every partition of every source, and reads those whose lease it holds. Resolves when
 * `stop` has aborted and everything that was read is settled.
 *
 * @throws whatever stops a pipeline (ConfigError), after all the others were stopped in order
 */
export async function runWorker(options: WorkerOptions, deps: WorkerDeps, stop: AbortSignal): Promise<void> {
  const {
    instance,
    leaseTtlMs = 10_000,
    maxInFlightEvents = 60_000,
    maxInFlightBytes = 64 * 1024 * 1024,
    stateCacheBytes = 64 * 1024 * 1024,
    portionEvents = 1_000,
  } = options;
  const gauge = new InFlight({ events: maxInFlightEvents, bytes: maxInFlightBytes });
  const quarantine = new Quarantine();
  const trimmer = new Trimmer(deps);
  const all = [...options.pipelines, ...(options.others ?? [])];
  const failed = new AbortController();
  const either = AbortSignal.any([stop, failed.signal]);
  const limitFor = deps.limitFor ?? createLimits(deps);
  // Before anything is read: a limit that cannot be made stops the worker here.
  const guarded = options.pipelines.map((plan) => {
    const pipeline = guardStages(plan, { ...deps, limitFor });
    const limit = plan.sourceGuards?.rateLimit && limitFor(plan.sourceGuards.rateLimit, `source:${plan.name}`);
    const pack = pacedPacking(compilePacking(pipeline), { pipeline, limitFor, stop: either });
    return { pipeline, limit, pack };
  });
  const keyedPartitions = options.pipelines
    .filter((pipeline) => formsOf(pipeline).length > 0)
    .reduce((sum, { sources }) => sum + sources.flatMap(partitionsOf).length, 0);
  const readers = guarded.flatMap(({ pipeline, limit, pack }) => {
    const forms = formsOf(pipeline);
    const state = {
      forms,
      cacheBytes: Math.ceil(stateCacheBytes / keyedPartitions),
      idleMs: pipeline.idleMs ?? defaultIdleMs,
    };
    const plans = Object.entries(sinksOf(pipeline));
    const sinks = new Map(plans.flatMap(([name, plan]) => (plan.kind === "stream" ? [] : [[name, deps.sinkFor(plan)]])));
    const derives = plans.some(([, { kind }]) => kind === "stream");
    const inOrder = derives || forms.length > 0;
    return pipeline.sources.flatMap((stream) => {
      const groups = all.filter(({ sources }) => sources.includes(stream)).map(({ name }) => name);
      return partitionsOf(stream).map((partition) => {
        const stages: Stages =
          forms.length > 0
            ? {
                kind: "keyed",
                fill: paced(compileKeyedFill({ pipeline, stream, partition, portionEvents, goesOn: limit === undefined }), limit),
                state,
              }
            : { kind: "stateless", fill: paced(compileFill(pipeline, stream, partition), limit) };
        return {
          slot: { pipeline: pipeline.name, partition },
          trimmed: { partition, stream, groups },
          reader: { ...deps, gauge, quarantine, sinks, pack, inOrder, stages, identity: stream.identity } satisfies ReaderDeps,
        };
      });
    });
  });
  const shares = new Shares({
    self: { instance, since: deps.presence?.facts.since ?? "" },
    slots: readers.map(({ slot }) => slot),
    // Longer than a lease lives whose owner has just vanished from the registry: until then nobody can take it.
    patienceMs: 1.1 * leaseTtlMs,
    clock: deps.clock,
    stop: either,
    onHeld: (pipelines) => deps.presence?.tell({ pipelines }),
  });
  const watching = watchOthers(shares, deps.presence, either);
  try {
    await settleAll(
      readers.map(({ slot, trimmed, reader }) =>
        own(slot, ({ fence, ...signals }) => trimmer.during(trimmed, () => readPartition(fence, reader, signals)), {
          deps: { ...deps, shares },
          options: { owner: instance, ttlMs: leaseTtlMs },
          stop: either,
        }).catch((error) => {
          failed.abort();
          throw error;
        }),
      ),
    );
  } finally {
    await watching;
  }
}

async function watchOthers(shares: Shares, presence: Presence | undefined, stop: AbortSignal): Promise<void> {
  if (!presence) return shares.see(undefined);
  presence.tell({ pipelines: shares.held() });
  await presence.registry.watch((view) => shares.see(view), stop);
}
