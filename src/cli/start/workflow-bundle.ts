import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { ConfigError, messageOf } from "../../core/errors.ts";
import { findModule, findTsconfig } from "../load-app.ts";

/** Workflows as one script, for the sandbox of Temporal's workers. */
export interface WorkflowBundle {
  readonly code: string;
  /** The application's own files that went into it, relative to its folder. */
  readonly files: readonly string[];
}

/** Lies beside a bundle: what it was made of. */
const manifest = z.object({ files: z.array(z.string()), hash: z.string() });

export const defaultBundlePath = ".headrace/workflow-bundle.js";

/** Bundles `workflows/index.ts` of an application. Takes seconds. */
export async function bundleWorkflows(cwd: string): Promise<WorkflowBundle> {
  const workflowsPath = findModule(cwd, "workflows/index");
  if (!workflowsPath) {
    throw new ConfigError("app.load", `there is no workflows/index.ts in ${cwd}`, {
      hint: "The saga role runs what workflows/ and activities/ hold.",
    });
  }
  const { bundleWorkflowCode, DefaultLogger } = await import("@temporalio/worker");
  const tsconfig = findTsconfig(workflowsPath);
  const said: string[] = [];
  let read = new Set<string>();
  try {
    const { code } = await bundleWorkflowCode({
      workflowsPath,
      logger: new DefaultLogger("ERROR", ({ message }) => said.push(message)),
      failureConverterPath: fileURLToPath(new URL("../../codec/sandbox-failures.js", import.meta.url)),
      webpackConfigHook: (config) => ({
        ...config,
        resolve: { ...config.resolve, ...(tsconfig !== undefined && { tsconfig }) },
        plugins: [
          ...(config.plugins ?? []),
          (compiler) =>
            compiler.hooks.afterCompile.tap("headrace", ({ fileDependencies }) => {
              read = new Set(fileDependencies);
            }),
        ],
      }),
    });
    return { code, files: ownFiles(read, cwd) };
  } catch (error) {
    throw refusalOf(error, { workflowsPath, said });
  }
}

function refusalOf(
  error: unknown,
  { workflowsPath, said }: { readonly workflowsPath: string; readonly said: readonly string[] },
) {
  // Temporal's own list, and webpack's complaint where the name begins with `node:`.
  const listed = [...messageOf(error).matchAll(/(?:^|\s)- '([^']+)'/g)];
  const complaints = [...said.join("\n").matchAll(/Reading from "node:([^"]+)"/g)];
  const modules = [...new Set([...listed, ...complaints].map(([, module]) => module))];
  if (modules.length > 0) {
    return new ConfigError(
      "app.load",
      `${workflowsPath} cannot be bundled: it, or what it imports, imports ${modules.join(", ")}`,
      {
        cause: error,
        hint: "A workflow has neither Node's modules nor clients: move that into an activity, and import activities as types alone.",
      },
    );
  }
  // Before its first error webpack lists all that it has read.
  const [, complaint] = /^(ERROR in [\s\S]*)$/m.exec(said.join("\n")) ?? [];
  return new ConfigError("app.load", `${workflowsPath} cannot be bundled: ${complaint ?? messageOf(error)}`, {
    cause: error,
    hint: "Run 'npx tsc' to check it, or headrace with --debug to see where it was thrown.",
  });
}

/** Written beside its place first: whoever starts meanwhile finds a whole one. */
export function writeBundle(path: string, { bundle, cwd }: { readonly bundle: WorkflowBundle; readonly cwd: string }): void {
  mkdirSync(dirname(path), { recursive: true });
  const { files, code } = bundle;
  for (const [name, text] of [
    [path, code],
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
  return isFresh(path, cwd) ? readFileSync(path, "utf8") : (await bundleWorkflows(cwd)).code;
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

/** Packages are told by the lock file and their own versions; their files are many. */
const ownFiles = (read: ReadonlySet<string>, cwd: string): readonly string[] =>
  [...read]
    .filter(
      (path) =>
        !path.includes("node_modules") &&
        !path.includes("autogenerated-entrypoint") &&
        statSync(path, { throwIfNoEntry: false })?.isFile(),
    )
    .map((path) => relative(cwd, path))
    .toSorted();

function hashOf(files: readonly string[], cwd: string): string {
  const hash = createHash("sha256");
  const own = new URL("../../../package.json", import.meta.url);
  const temporal = new URL(import.meta.resolve("@temporalio/worker/package.json"));
  for (const path of [fileURLToPath(own), fileURLToPath(temporal)]) hash.update(readFileSync(path));
  for (const file of files) hash.update(`\0${file}\0`).update(readFileSync(resolve(cwd, file)));
  return hash.digest("hex");
}
