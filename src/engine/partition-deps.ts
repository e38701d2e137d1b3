import type { PartitionLog } from "../bus/port.ts";
import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/log.ts";
import type { IdentityPlan } from "../plan/plan.ts";
import type { Sink } from "../sinks/port.ts";
import type { KeyedStateOptions } from "../state/keyed-state.ts";
import type { Telemetry } from "../telemetry/port.ts";
import type { InFlight } from "./commit/in-flight.ts";
import type { PackDerived } from "./commit/outbox.ts";
import type { ProcessBatch } from "./process/processing.ts";
import type { Quarantine } from "./read/quarantine.ts";

/** What the loop of one partition is given. */
export interface PartitionDeps {
  readonly bus: PartitionLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  /** The sinks by the names of the pipeline's destinations; streams are not among them. */
  readonly sinks: ReadonlyMap<string, Sink>;
  readonly process: ProcessBatch;
  /** `undefined` for a pipeline that keeps no state. */
  readonly keyed: KeyedStateOptions | undefined;
  /** How long names of events are remembered; not at all where there is none. */
  readonly identity: IdentityPlan | undefined;
  readonly pack: PackDerived;
  /** Commits must keep the order of the reads: the pipeline keeps state, or makes events whose order counts. */
  readonly inOrder: boolean;
  readonly inFlight: InFlight;
  /** How long a lease lives without renewal, milliseconds. */
  readonly leaseMs: number;
  /** Lets one partition of the process at a time take up suspects. */
  readonly quarantine: Quarantine;
}
