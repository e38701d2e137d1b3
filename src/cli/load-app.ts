import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { createJiti } from "jiti";
import { ConfigError, HeadraceError, messageOf } from "../core/errors.ts";
import { findTsconfig } from "../host/tsconfig.ts";
import type { AppPlan } from "../plan/plan.ts";
import type { SagaPlan } from "../plan/saga.ts";

/** Loads a module of the user's, TypeScript or JavaScript. */
export async function loadModule(path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return await createJiti(import.meta.url, { tsconfigPaths: pathsFor(path) }).import(path);
  } catch (error) {
    if (error instanceof HeadraceError) throw error;
    throw new ConfigError("app.load", `${path} could not be loaded: ${messageOf(error)}`, {
      cause: error,
      hint: "Run 'npx tsc' to check it, or headrace with --debug to see where it was thrown.",
    });
  }
}

/**
 * The tsconfig.json whose `paths` say where modules lie. Not one that names our own package, as this repository's does: of another copy
 * than the one that runs, no error and no refusal would be known.
 */
function pathsFor(file: string): string | false {
  const tsconfig = findTsconfig(file);
  return tsconfig !== undefined && !/"headrace(\/[^"]*)?"\s*:/.test(readFileSync(tsconfig, "utf8")) ? tsconfig : false;
}

/** The application of the directory: what `pipelines/index.ts` exports as `app`. */
export async function loadApp(directory: string): Promise<AppPlan> {
  const path = findModule(directory, "pipelines/index");
  if (!path) {
    throw new ConfigError("app.load", `there is no pipelines/index.ts in ${directory}`, {
      hint: "Run headrace where your application lies, or pass --cwd.",
    });
  }
  const { app } = await loadModule(path);
  const plan = (app as { plan?: AppPlan } | undefined)?.plan;
  if (plan?.kind !== "app") {
    throw new ConfigError("app.load", `${path} exports no application`, {
      hint: "Write: export const app = defineApp({ pipelines: [...] }).",
    });
  }
  return plan;
}

/** The file of a module by its path without an ending. */
export function findModule(directory: string, module: string): string | undefined {
  return [".ts", ".mts", ".js", ".mjs"]
    .map((ending) => resolve(directory, `${module}${ending}`))
    .find((path) => existsSync(path));
}

/** What a module of the application exports under a name. */
export async function loadExport<Value>(
  directory: string,
  { module, name, hint }: { readonly module: string; readonly name: string; readonly hint: string },
): Promise<Value> {
  const path = findModule(directory, module);
  if (!path) throw new ConfigError("app.load", `there is no ${module}.ts in ${directory}`, { hint });
  const value = (await loadModule(path))[name];
  if (value === undefined) throw new ConfigError("app.load", `${path} exports no ${name}`, { hint });
  return value as Value;
}

/** The workflows of `workflows/index.ts` that were built as sagas. None where there is no such module. */
export async function loadSagas(directory: string): Promise<readonly SagaPlan[]> {
  const path = findModule(directory, "workflows/index");
  const workflows = path ? Object.values(await loadModule(path)) : [];
  return workflows.flatMap((workflow) => {
    const plan = (workflow as { readonly saga?: SagaPlan } | undefined)?.saga;
    return plan ? [plan] : [];
  });
}
