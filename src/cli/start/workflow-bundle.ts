import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { ConfigError, messageOf } from "../../core/errors.ts";
import { bundleWorkflows, type WorkflowBundle } from "../../host/bundle-workflows.ts";
import { findModule } from "../load-app.ts";

/** Lies beside a bundle: what it was made of. */
const manifest = z.object({ files: z.array(z.string()), hash: z.string() });

export const defaultBundlePath = ".headrace/workflow-bundle.js";

/** Bundles `workflows/index.ts` of an application. Takes seconds. */
export async function bundleWorkflowsOf(cwd: string): Promise<WorkflowBundle> {
  const path = findModule(cwd, "workflows/index");
  if (path) return bundleWorkflows(path);
  throw new ConfigError("app.load", `there is no workflows/index.ts in ${cwd}`, {
    hint: "The saga role runs what workflows/ and activities/ hold.",
  });
}

/** Written beside its place first: whoever starts meanwhile finds a whole one. */
export function writeBundle(path: string, { bundle, cwd }: { readonly bundle: WorkflowBundle; readonly cwd: string }): void {
  mkdirSync(dirname(path), { recursive: true });
  const files = ownFiles(bundle.files, cwd);
  for (const [name, text] of [
    [path, bundle.code],
    [manifestOf(path), JSON.stringify({ files, hash: hashOf(files, cwd) })],
  ] as const) {
    writeFileSync(`${name}.${process.pid}`, text);
    renameSync(`${name}.${process.pid}`, name);
  }
}

/** The code of the bundle that `given` names; else of the default one, if it was made of the sources as they are; else a new one. */
export async function findBundle(cwd: string, given: string | undefined): Promise<string> {
  if (given) {
    try {
      return readFileSync(resolve(cwd, given), "utf8");
    } catch (error) {
      throw new ConfigError(
        "config.environment",
        `HEADRACE_WORKFLOW_BUNDLE names ${given}, which cannot be read: ${messageOf(error)}`,
        {
          cause: error,
          hint: "Make it with 'headrace bundle --out', or unset it: then the workflows are bundled at each start.",
        },
      );
    }
  }
  const path = resolve(cwd, defaultBundlePath);
  return isFresh(path, cwd) ? readFileSync(path, "utf8") : (await bundleWorkflowsOf(cwd)).code;
}

function isFresh(path: string, cwd: string): boolean {
  if (!existsSync(path) || !existsSync(manifestOf(path))) return false;
  try {
    const { files, hash } = manifest.parse(JSON.parse(readFileSync(manifestOf(path), "utf8")));
    return files.length > 0 && hashOf(files, cwd) === hash;
  } catch {
    // Not ours, half gone, or one of the files is: a new one is made.
    return false;
  }
}

const manifestOf = (path: string): string => `${path}.json`;

/** The application's own files. Packages are told by the lock file and their own versions; their files are many. */
const ownFiles = (files: readonly string[], cwd: string): readonly string[] =>
  files.map((path) => relative(cwd, path)).toSorted();

function hashOf(files: readonly string[], cwd: string): string {
  const hash = createHash("sha256");
  const own = new URL("../../../package.json", import.meta.url);
  const temporal = new URL(import.meta.resolve("@temporalio/worker/package.json"));
  for (const path of [fileURLToPath(own), fileURLToPath(temporal)]) hash.update(readFileSync(path));
  for (const file of files) hash.update(`\0${file}\0`).update(readFileSync(resolve(cwd, file)));
  return hash.digest("hex");
}
