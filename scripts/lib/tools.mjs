import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { repository } from "./build.mjs";

/** The packages' programs that the scripts run, by path: no shell, no PATH, the same on every system. */
const programs = {
  attw: "@arethetypeswrong/cli/dist/index.js",
  biome: "@biomejs/biome/bin/biome",
  depcruise: "dependency-cruiser/bin/dependency-cruise.mjs",
  knip: "knip/bin/knip.js",
  oxlint: "oxlint/bin/oxlint",
  publint: "publint/src/cli.js",
  tsc: "@typescript/native/bin/tsc",
  tstyche: "tstyche/build/bin.js",
  vitest: "vitest/vitest.mjs",
};

/** Runs a tool and resolves with what it wrote, uncoloured. */
export const capture = (name, args, more) => captureCommand(process.execPath, [pathOf(name), ...args], more);

/** The same of any program. `more` is laid over the environment. */
export async function captureCommand(command, args, more = {}) {
  const env = { ...process.env, NO_COLOR: "1", ...more };
  delete env.FORCE_COLOR;
  const child = spawn(command, args, { cwd: repository, env, stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise((resolve, reject) => {
    child.once("error", reject).once("close", (code, signal) => resolve(code ?? signal));
  });
  const [status, stdout, stderr] = await Promise.all([ended, textOf(child.stdout), textOf(child.stderr)]);
  return { status, stdout, stderr, output: `${stdout}${stderr}`.trim() };
}

async function textOf(stream) {
  let text = "";
  for await (const piece of stream.setEncoding("utf8")) text += piece;
  return text;
}

/** Runs a tool with its output shown as it comes. */
export function show(name, args, env = {}) {
  const options = { cwd: repository, stdio: ["ignore", "inherit", "inherit"], env: { ...process.env, ...env } };
  const { status, signal, error } = spawnSync(process.execPath, [pathOf(name), ...args], options);
  if (error) throw error;
  return { status: status ?? signal };
}

function pathOf(name) {
  return join(repository, "node_modules", programs[name]);
}
