import type { Logger } from "../../core/log.ts";
import type { Fault } from "../../participant/faults.ts";
import type { AppPlan, PipelinePlan } from "../../plan/plan.ts";
import type { Presence } from "../../registry/port.ts";
import type { Whereabouts } from "../services.ts";
import type { SagaOptions } from "./saga-options.ts";

export interface RoleContext {
  /** With only the pipelines that were asked for. */
  readonly app: AppPlan;
  /** The pipelines that were not asked for: they run elsewhere. */
  readonly others: readonly PipelinePlan[];
  /** Names this process, uniquely. */
  readonly instance: string;
  /** Memory for keyed states, over all partitions, bytes. */
  readonly stateCacheBytes: number;
  /** What participants do wrong on purpose. */
  readonly faults: readonly Fault[];
  /** How the saga role runs. */
  readonly sagas: SagaOptions;
  readonly logger: Logger;
  readonly where: Whereabouts;
}

/** A role that is connected and ready; `run` resolves after `stop` has aborted and its work is settled. */
export interface ReadyRole {
  /** Where it can be called: name to URL. */
  readonly addresses?: Readonly<Record<string, string>>;
  run(stop: AbortSignal, presence: Presence): Promise<void>;
}

export type Role = (context: RoleContext) => Promise<ReadyRole>;
