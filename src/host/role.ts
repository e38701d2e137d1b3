import type { Logger } from "../core/log.ts";
import type { AppPlan, PipelinePlan } from "../plan/plan.ts";
import type { RegistryEntry } from "../registry/port.ts";
import type { Addresses } from "./services.ts";

export interface RoleContext {
  /** With only the pipelines that this process runs. */
  readonly app: AppPlan;
  /** The other pipelines of the application: they run elsewhere. */
  readonly others: readonly PipelinePlan[];
  /** Names this process, uniquely. */
  readonly instance: string;
  /** How long what this process holds stays held when it dies, milliseconds. */
  readonly leaseMs: number;
  readonly at: Addresses;
  readonly logger: Logger;
}

/** A role that is connected and ready. */
export interface ReadyRole {
  /** Where it can be called: name to URL. */
  readonly addresses?: Readonly<Record<string, string>>;
  /** Resolves after `stop` has aborted and its work is settled. */
  run(stop: AbortSignal, presence: RegistryEntry): Promise<void>;
  /** Closes its connections, also where it never ran. */
  close(): Promise<void>;
}

/** What a process is made of. */
export interface Role {
  readonly name: "worker" | "saga" | "participants" | "collector";
  open(context: RoleContext): Promise<ReadyRole>;
}
