import { ConfigError } from "../../core/errors.ts";
import { isLoopback } from "../../core/loopback.ts";
import type { Role } from "../../host/role.ts";
import type { SagaLimits } from "../../host/saga-limits.ts";
import type { CreateActivities } from "../../host/saga-role.ts";
import type { InjectedFault } from "../../participant/faults.ts";
import type { Participant } from "../../participant/participant.ts";
import type { AppPlan } from "../../plan/plan.ts";
import { archiveAt, keepLogs } from "../archive-settings.ts";
import { findModule, loadExport, loadModule } from "../load-app.ts";
import { deadLetterBytes, type ServiceLocation } from "../services.ts";
import { metricsAddress } from "./metrics-address.ts";
import { givenToken, participantsToken } from "./participants-token.ts";
import { findBundle } from "./workflow-bundle.ts";

/** What the command line says of roles. */
export interface RoleSettings {
  readonly where: ServiceLocation;
  /** Memory for keyed states, over all partitions, bytes. */
  readonly stateCacheBytes: number;
  readonly sagas: SagaLimits;
  /** What participants do wrong on purpose. */
  readonly faults: readonly InjectedFault[];
  /** Where a collector listens; 0 takes a free one. */
  readonly port: number;
}

const activitiesModule = "activities/index";

/** Each role as the environment and the project set it up. What one needs is loaded with it: Temporal's core, drivers, an HTTP server. */
const roles = {
  worker: async ({ stateCacheBytes }) => {
    const { workerRole } = await import("../../host/worker-role.ts");
    return workerRole({ stateCacheBytes, deadLetterBytes: deadLetterBytes() });
  },
  saga: async ({ where, sagas: limits }) => {
    const { sagaRole } = await import("../../host/saga-role.ts");
    return sagaRole({
      limits,
      bundle: () => findBundle(where.cwd, process.env["HEADRACE_WORKFLOW_BUNDLE"]),
      createActivities: await findActivities(where.cwd),
      metrics: await metricsAddress(process.env),
      participantsToken: () => participantsToken(where),
      archive: () => archiveAt(where),
      keep: keepLogs(),
      deadLetterBytes: deadLetterBytes(),
    });
  },
  participants: async ({ where, faults }) => {
    const { participantsRole } = await import("../../host/participants-role.ts");
    const host = process.env["HOST"] || "127.0.0.1";
    const hosts = listOf(process.env["HEADRACE_PARTICIPANTS_HOSTS"]);
    return participantsRole({
      createParticipants: await loadExport<(deps: object) => readonly Participant[]>(where.cwd, {
        module: activitiesModule,
        name: "createParticipants",
        hint: "Export createParticipants(deps): what the role participants serves.",
      }),
      ...{ host, port: Number(process.env["PORT"] ?? 0), token: tokenFor(host, where), hosts, faults },
    });
  },
  collector: async ({ port }) => {
    const { collectorRole } = await import("../../host/collector-role.ts");
    const hosts = listOf(process.env["HEADRACE_COLLECTOR_HOSTS"]);
    return collectorRole({ host: process.env["HOST"] || "127.0.0.1", port, hosts, deadLetterBytes: deadLetterBytes() });
  },
} as const satisfies Record<Role["name"], (settings: RoleSettings) => Promise<Role>>;

const listOf = (names = ""): readonly string[] => names.split(",").filter((name) => name.trim() !== "");

export type RoleName = keyof typeof roles;

export const openRoles = (names: readonly RoleName[], settings: RoleSettings): Promise<readonly Role[]> =>
  Promise.all(names.map((name) => roles[name](settings)));

const isRole = (name: string): name is RoleName => Object.hasOwn(roles, name);

/** The roles that a command line names, or `undefined` for all that the project has: no flag, or `all`. */
export function parseRoles(names: readonly string[] | undefined): readonly RoleName[] | undefined {
  if (names === undefined || names.includes("all")) return undefined;
  const unknown = names.find((name) => !isRole(name));
  if (unknown !== undefined || names.length === 0) {
    throw new ConfigError("usage", `there is no role '${unknown ?? ""}'`, {
      hint: `There are ${Object.keys(roles).join(", ")} and all.`,
    });
  }
  return names.filter(isRole);
}

/** The roles that a project has something for. */
export async function rolesOfProject(app: AppPlan, cwd: string): Promise<readonly RoleName[]> {
  const has: Readonly<Record<RoleName, boolean>> = {
    worker: app.pipelines.length > 0,
    // A bundle that was made ahead stands for its sources.
    saga: Boolean(process.env["HEADRACE_WORKFLOW_BUNDLE"]) || findModule(cwd, "workflows/index") !== undefined,
    participants: await hasParticipants(cwd),
    // It lets others in: only where it is asked for.
    collector: false,
  };
  const found = Object.keys(has)
    .filter(isRole)
    .filter((name) => has[name]);
  if (found.length > 0) return found;
  throw new ConfigError("app.load", `there is nothing to run in ${cwd}: no pipelines, no workflows and no participants`, {
    hint: "Put a pipeline into pipelines/index.ts, a workflow into workflows/index.ts, or export createParticipants of activities/index.ts.",
  });
}

async function hasParticipants(cwd: string): Promise<boolean> {
  const path = findModule(cwd, activitiesModule);
  return path !== undefined && (await loadModule(path))["createParticipants"] !== undefined;
}

/** What `activities/index.ts` makes; workflows that call none do without the module. */
async function findActivities(cwd: string): Promise<CreateActivities | undefined> {
  if (!findModule(cwd, activitiesModule)) return undefined;
  return loadExport<CreateActivities>(cwd, {
    module: activitiesModule,
    name: "createActivities",
    hint: "Export createActivities(deps): what the saga role runs beside workflows/.",
  });
}

/** Other machines cannot read a file of this one: participants that listen beyond it take their token from the environment. */
function tokenFor(host: string, where: ServiceLocation): string {
  const token = isLoopback(host) ? participantsToken(where) : givenToken();
  if (token !== undefined) return token;
  throw new ConfigError("config.environment", `participants would take calls from everyone who reaches ${host}`, {
    hint: "Set HEADRACE_PARTICIPANTS_TOKEN (or HEADRACE_PARTICIPANTS_TOKEN_FILE) to the same secret for them and for the saga workers.",
  });
}
