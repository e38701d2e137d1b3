import { spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

const tooling = [
  "scripts",
  "bin",
  "package.json",
  "package-lock.json",
  ".gitignore",
  ".dependency-cruiser.mjs",
  ".oxlintrc.json",
  "LICENSE",
  "biome.json",
  "knip.json",
  "tsconfig.json",
  "tsconfig.build.json",
  "tsconfig.types.json",
  "tstyche.config.json",
  "vitest.config.ts",
];

/** What a command wrote and how it ended. */
export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A repository with this one's tooling, its packages, and the given files: a place to plant faults in. */
export interface MiniRepository {
  readonly path: string;
  write(files: Readonly<Record<string, string>>): Promise<void>;
  /** Runs `node <args>` in it. */
  node(...args: readonly string[]): Promise<Run>;
  remove(): Promise<void>;
}

/** Makes a repository of the given files, by path. */
export async function miniRepository(files: Readonly<Record<string, string>>): Promise<MiniRepository> {
  const path = await mkdtemp(join(tmpdir(), "headrace-tooling-"));
  for (const name of tooling) await cp(join(root, name), join(path, name), { recursive: true });
  await symlink(join(root, "node_modules"), join(path, "node_modules"));
  const write: MiniRepository["write"] = async (more) => {
    for (const [name, text] of Object.entries(more)) {
      await mkdir(dirname(join(path, name)), { recursive: true });
      await writeFile(join(path, name), text);
    }
  };
  await write(files);
  return {
    path,
    write,
    node: (...args) => run(process.execPath, args, { cwd: path }),
    remove: () => rm(path, { recursive: true, force: true }),
  };
}

/** Runs a program to its end. The variables by which vitest and npm know their children are left out. */
export async function run(
  command: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: Readonly<Record<string, string>> },
): Promise<Run> {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(VITEST|NODE_ENV$|NODE_OPTIONS$|npm_|FORCE_COLOR$)/.test(name),
  );
  const env = { ...Object.fromEntries(inherited), NO_COLOR: "1", ...options.env };
  const child = spawn(command, args, { cwd: options.cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  const read = (stream: NodeJS.ReadableStream) =>
    new Promise<string>((resolve) => {
      let text = "";
      stream.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      stream.on("end", () => resolve(text));
    });
  const code = new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve));
  const [stdout, stderr] = await Promise.all([read(child.stdout), read(child.stderr)]);
  return { code: await code, stdout, stderr };
}
