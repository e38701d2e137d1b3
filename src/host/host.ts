import { ConfigError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { openAll } from "../core/open-resources.ts";
import { settleAll } from "../core/settle-all.ts";
import type { AppPlan, PipelinePlan } from "../plan/plan.ts";
import { announce, newInstance } from "./announce.ts";
import type { ReadyRole, Role } from "./role.ts";
import { type Addresses, openRegistry } from "./services.ts";

/** How long what a process holds stays held when it dies, milliseconds. */
export const defaultLeaseMs = 10_000;

const leaseBoundsMs = { least: 1_000, most: 60_000 } as const;

/** Below a second a busy process would lose what it could hold; above a minute its successor would wait for too long. */
export function checkLease(option: string, leaseMs: number): number {
  if (leaseMs >= leaseBoundsMs.least && leaseMs <= leaseBoundsMs.most) return leaseMs;
  throw new ConfigError("usage", `${option} cannot be ${leaseMs} ms`, {
    hint: `Give 1 s to 1 min; ${defaultLeaseMs / 1_000} s is the default.`,
  });
}

export interface HostOptions {
  /** With only the pipelines that this process runs. */
  readonly app: AppPlan;
  /** The other pipelines of the application: they run elsewhere. */
  readonly others: readonly PipelinePlan[];
  /** What this process does, in the order in which it starts. */
  readonly roles: readonly Role[];
  readonly at: Addresses;
  readonly logger: Logger;
  /** How long its leases and its entry in the registry live without a sign of life, milliseconds. @default 10000 */
  readonly leaseMs?: number | undefined;
}

/** A process of an application, connected. */
export interface Host {
  /** Its name in the registry, and the one under which leases are held. */
  readonly instance: string;
  /** Where it can be called: name to URL. */
  readonly addresses: Readonly<Record<string, string>>;
  /**
   * Runs its roles until `stop` aborts, and resolves when what was begun is settled.
   * @throws whatever has ended a role, once the others were stopped in order
   */
  run(stop: AbortSignal): Promise<void>;
  /** Leaves the registry, and closes all connections. May be called twice. */
  close(): Promise<void>;
}

/** Opens the roles of a process, and enters it into the registry. What was opened is closed again where one cannot be. */
export async function openHost({ roles, leaseMs = defaultLeaseMs, ...context }: HostOptions): Promise<Host> {
  const instance = newInstance();
  const { at, logger } = context;
  return openAll(async (opened) => {
    const ready: ReadyRole[] = [];
    for (const role of roles) ready.push(opened.add(await role.open({ ...context, instance, leaseMs }), (one) => one.close()));
    const addresses: Readonly<Record<string, string>> = Object.assign({}, ...ready.map((role) => role.addresses));
    const registry = opened.add(await openRegistry(at.redis(), logger), (one) => one.close());
    const names = roles.map(({ name }) => name);
    const presence = await announce({ instance, roles: names, addresses, registry, logger, leaseMs });
    opened.add(presence, (one) => one.close());
    return {
      instance,
      addresses,
      async run(stop) {
        const failed = new AbortController();
        const either = AbortSignal.any([stop, failed.signal]);
        const sayWeEnd = () => presence.tell({ state: "draining" });
        if (either.aborted) sayWeEnd();
        else either.addEventListener("abort", sayWeEnd, { once: true });
        const running = ready.map((role) =>
          role.run(either, presence).catch((error) => {
            failed.abort();
            throw error;
          }),
        );
        await settleAll(running);
      },
      close: () => opened.close(),
    };
  });
}
