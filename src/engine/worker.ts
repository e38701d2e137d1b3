import { partitionsOf } from "../bus/partition.ts";
import type { LogOperations, PartitionLog } from "../bus/port.ts";
import type { Clock } from "../core/clock.ts";
import { seconds } from "../core/duration.ts";
import type { Logger } from "../core/log.ts";
import { settleAll } from "../core/settle-all.ts";
import { createLimits, type LimitFor } from "../limit/limits.ts";
import { reportedLimits } from "../limit/reported-limits.ts";
import { type OwnSinkPlan, type PipelinePlan, type StreamPlan, sinksOf } from "../plan/plan.ts";
import type { RegistryEntry } from "../registry/port.ts";
import type { Sink } from "../sinks/port.ts";
import { guardStages } from "../stages/guard.ts";
import { formsOf } from "../state/forms.ts";
import { noTelemetry, type Telemetry } from "../telemetry/port.ts";
import { Assignment, type AssignmentSlot } from "./assign/assignment.ts";
import { own } from "./assign/owner.ts";
import { InFlight } from "./commit/in-flight.ts";
import { compilePacking, pacedPacking } from "./commit/outbox.ts";
import type { PartitionDeps } from "./partition-deps.ts";
import { runPartition } from "./partition-loop.ts";
import { compileProcess } from "./process/process-batch.ts";
import { Quarantine } from "./read/quarantine.ts";
import { Trimmer, type Trimming } from "./trimmer.ts";

export interface WorkerDeps {
  readonly bus: PartitionLog & LogOperations;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Makes the sink of a plan, or gives the one that it made before: pipelines that write one table share its batches. */
  readonly sinkFor: (plan: OwnSinkPlan) => Sink;
  /** Makes the rate limits of guards. @default limits of this process alone; then a shared one is refused */
  readonly limitFor?: LimitFor;
  /** This process in the registry: the workers there share the partitions. Without one, a worker takes all that is free. */
  readonly presence?: RegistryEntry;
  /** Told what the worker does; it must not throw, see `shielded`. @default nobody */
  readonly telemetry?: Telemetry;
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

/** What the partitions of a worker share. */
interface Common extends Omit<WorkerDeps, "telemetry" | "limitFor"> {
  readonly telemetry: Telemetry;
  readonly limitFor: LimitFor;
  readonly inFlight: InFlight;
  readonly quarantine: Quarantine;
  /** Of all pipelines that read a stream, also of those that run elsewhere. */
  readonly groupsOf: (stream: StreamPlan) => readonly string[];
  /** For the keyed states of one partition, bytes. */
  readonly cacheBytes: number;
  readonly portionEvents: number;
  readonly leaseMs: number;
  readonly stop: AbortSignal;
}

/** A partition that the worker stands by for. */
interface StandbyPartition {
  readonly slot: AssignmentSlot;
  readonly trimmed: Trimming;
  readonly deps: PartitionDeps;
}

/**
 * Runs pipelines: stands by for every partition of every source, and reads those whose lease it holds. Resolves when
 * `stop` has aborted and everything that was read is settled.
 *
 * @throws whatever stops a pipeline (ConfigError), after all the others were stopped in order
 */
export async function runWorker(options: WorkerOptions, deps: WorkerDeps, stop: AbortSignal): Promise<void> {
  const { instance } = options;
  const trimmer = new Trimmer(deps);
  const failed = new AbortController();
  const either = AbortSignal.any([stop, failed.signal]);
  const common = commonOf(options, deps, either);
  // Before anything is read: a limit that cannot be made stops the worker here.
  const partitions = options.pipelines.flatMap((plan) => standbyPartitions(plan, common));
  const assignment = new Assignment({
    self: { instance, since: deps.presence?.facts.since ?? "" },
    slots: partitions.map(({ slot }) => slot),
    // Longer than a lease lives whose owner has just vanished from the registry: until then nobody can take it.
    graceMs: 1.1 * common.leaseMs,
    clock: deps.clock,
    stop: either,
    onHeld: (pipelines) => deps.presence?.tell({ pipelines }),
  });
  const watching = watchOthers(assignment, deps.presence, either);
  const run = ({ slot, trimmed, deps: given }: StandbyPartition) =>
    own(slot, (owned) => trimmer.during(trimmed, () => runPartition(owned, given)), {
      deps: { ...common, assignment },
      options: { owner: instance, ttlMs: common.leaseMs },
      stop: either,
    }).catch((error) => {
      failed.abort();
      throw error;
    });
  try {
    await settleAll(partitions.map(run));
  } finally {
    await watching;
  }
}

function commonOf(options: WorkerOptions, deps: WorkerDeps, stop: AbortSignal): Common {
  const {
    pipelines,
    others = [],
    maxInFlightEvents = 60_000,
    maxInFlightBytes = 64 * 1024 * 1024,
    stateCacheBytes = 64 * 1024 * 1024,
    portionEvents = 1_000,
    leaseTtlMs = 10_000,
  } = options;
  const { telemetry = noTelemetry } = deps;
  const keyedPartitions = pipelines
    .filter((pipeline) => formsOf(pipeline).length > 0)
    .reduce((sum, { sources }) => sum + sources.flatMap(partitionsOf).length, 0);
  return {
    ...deps,
    telemetry,
    limitFor: reportedLimits(deps.limitFor ?? createLimits(deps), { telemetry, clock: deps.clock }),
    inFlight: new InFlight({ events: maxInFlightEvents, bytes: maxInFlightBytes }),
    quarantine: new Quarantine(),
    groupsOf: (stream) => [...pipelines, ...others].filter(({ sources }) => sources.includes(stream)).map(({ name }) => name),
    cacheBytes: Math.ceil(stateCacheBytes / keyedPartitions),
    portionEvents,
    leaseMs: leaseTtlMs,
    stop,
  };
}

/** Everything that a pipeline needs, made once: its guards and limits are of the process, not of a partition. */
function standbyPartitions(plan: PipelinePlan, common: Common): readonly StandbyPartition[] {
  const { limitFor, sinkFor, stop, portionEvents, cacheBytes, groupsOf } = common;
  const pipeline = guardStages(plan, common);
  const limit = plan.sourceGuards?.rateLimit && limitFor(plan.sourceGuards.rateLimit, `source:${plan.name}`);
  const pack = pacedPacking(compilePacking(pipeline), { pipeline, limitFor, stop });
  const forms = formsOf(pipeline);
  const plans = Object.entries(sinksOf(pipeline));
  const sinks = new Map(plans.flatMap(([name, sink]) => (sink.kind === "stream" ? [] : [[name, sinkFor(sink)]])));
  const derives = plans.some(([, { kind }]) => kind === "stream");
  const keyed = forms.length > 0 ? { forms, cacheBytes, idleMs: pipeline.idleMs ?? defaultIdleMs } : undefined;
  const shared = { ...common, sinks, pack, keyed, inOrder: derives || forms.length > 0 };
  return pipeline.sources.flatMap((stream) =>
    partitionsOf(stream).map((partition) => ({
      slot: { pipeline: pipeline.name, partition },
      trimmed: { partition, stream, groups: groupsOf(stream) },
      deps: {
        ...shared,
        identity: stream.identity,
        process: compileProcess({ pipeline, stream, partition, portionEvents, limit }),
      },
    })),
  );
}

async function watchOthers(assignment: Assignment, presence: RegistryEntry | undefined, stop: AbortSignal): Promise<void> {
  if (!presence) return assignment.see(undefined);
  presence.tell({ pipelines: assignment.held() });
  await presence.registry.watch((view) => assignment.see(view), stop);
}
