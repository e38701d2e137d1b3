import { ConfigError } from "../../core/errors.ts";
import type { AppPlan } from "../../plan/plan.ts";
import { findModule, loadModule } from "../load-app.ts";
import { participantsModule, participantsRole } from "./participants-role.ts";
import type { Role } from "./role.ts";
import { sagaRole } from "./saga-role.ts";
import { workerRole } from "./worker-role.ts";

const roles = { worker: workerRole, saga: sagaRole, participants: participantsRole } as const satisfies Record<string, Role>;

/** Roles by name, in the order in which they start. */
export type Roles = readonly (readonly [name: string, role: Role])[];

/** The roles that a command line names, or `undefined` for all that the project has: no flag, or `all`. */
export function parseRoles(names: readonly string[] | undefined): Roles | undefined {
  if (names === undefined || names.includes("all")) return undefined;
  const unknown = names.find((name) => !(name in roles));
  if (unknown !== undefined || names.length === 0) {
    throw new ConfigError("usage", `there is no role '${unknown ?? ""}'`, {
      hint: `There are ${Object.keys(roles).join(", ")} and all.`,
    });
  }
  return names.map((name) => [name, roles[name as keyof typeof roles]]);
}

/** The roles that a project has something for. */
export async function rolesOfProject(app: AppPlan, cwd: string): Promise<Roles> {
  const has: Readonly<Record<keyof typeof roles, boolean>> = {
    worker: app.pipelines.length > 0,
    // A bundle that was made ahead stands for its sources.
    saga: Boolean(process.env["HEADRACE_WORKFLOW_BUNDLE"]) || findModule(cwd, "workflows/index") !== undefined,
    participants: await hasParticipants(cwd),
  };
  const found = Object.entries(roles).filter(([name]) => has[name as keyof typeof roles]);
  if (found.length > 0) return found;
  throw new ConfigError("app.load", `there is nothing to run in ${cwd}: no pipelines, no workflows and no participants`, {
    hint: "Put a pipeline into pipelines/index.ts, a workflow into workflows/index.ts, or export createParticipants of activities/index.ts.",
  });
}

async function hasParticipants(cwd: string): Promise<boolean> {
  const path = findModule(cwd, participantsModule.module);
  return path !== undefined && (await loadModule(path))[participantsModule.name] !== undefined;
}
