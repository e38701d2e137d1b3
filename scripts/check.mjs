// `npm run check`: everything that can be told without running the program. One line a check; names to run only those:
// `npm run check -- lint imports`.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { build, repository } from "./lib/build.mjs";
import { castsFault } from "./lib/casts.mjs";
import { checkExamples } from "./lib/examples.mjs";
import { checkSurface } from "./lib/surface.mjs";
import { capture, captureCommand } from "./lib/tools.mjs";
import { typeNamesFault } from "./lib/type-names.mjs";
import { faultsIn, typeErrors } from "./lib/types.mjs";

const rooms = ["src", "pipelines", "workflows", "activities"];

let building;
/** For checks that read dist/: that of the build, where it runs too, makes it anew. */
const behindBuild = (check) => async () => {
  await building;
  return check();
};

/** Each resolves with undefined when all is well, else with what is wrong. */
const checks = {
  types: checkTypes,
  build: () => {
    building = checkBuild();
    return building;
  },
  lint: checkLint,
  promises: checkPromises,
  imports: checkImports,
  surface: behindBuild(checkSurface),
  examples: checkExamples,
  "dead-code": behindBuild(() => run("knip", ["--no-progress", "--no-config-hints"])),
  package: behindBuild(checkPackage),
};

/** So many run at a time: most of them keep one core busy. */
const lanes = 2;

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !Object.hasOwn(checks, name));
if (unknown.length > 0) {
  process.stderr.write(`no check is named ${unknown.join(", ")}; there are: ${Object.keys(checks).join(", ")}\n`);
  process.exit(2);
}

const names = Object.keys(checks).filter((name) => wanted.length === 0 || wanted.includes(name));
const outcomes = new Map();
const waiting = [...names];
const untold = [...names];
await Promise.all(Array.from({ length: lanes }, runInTurn));

const failed = names.filter((name) => outcomes.get(name).fault !== undefined);
process.stdout.write(
  `checks: ${names.length - failed.length} passed, ${failed.length} failed${failed.length > 0 ? ` (${failed.join(", ")})` : ""}\n`,
);
process.exitCode = failed.length > 0 ? 1 : 0;

async function runInTurn() {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    const started = Date.now();
    const fault = await checks[name]();
    outcomes.set(name, { fault, seconds: ((Date.now() - started) / 1_000).toFixed(1) });
    while (outcomes.has(untold[0])) tell(untold.shift());
  }
}

function tell(name) {
  const { fault, seconds } = outcomes.get(name);
  process.stdout.write(`${fault === undefined ? "ok  " : "FAIL"} ${name} (${seconds} s)\n`);
  if (fault !== undefined) process.stdout.write(`${fault.replace(/^/gm, "     ")}\n`);
}

async function checkTypes() {
  const faults = faultsIn(await typeErrors());
  return faults.length > 0 ? faults.map(({ text }) => text).join("\n") : undefined;
}

/** Biome's reports, and types that share a name. */
async function checkLint() {
  const faults = [await biomeFault(), typeNamesFault(repository)].filter(Boolean);
  return faults.length > 0 ? faults.join("\n") : undefined;
}

/** One line each: its own pages show every file that is not formatted in full. */
async function biomeFault() {
  const { status, output } = await capture("biome", [
    "check",
    "--error-on-warnings",
    "--reporter=github",
    "--max-diagnostics=none",
    ".",
  ]);
  if (status === 0) return undefined;
  const report = /^::(?:error|warning) title=([^,]+),file=([^,]+),line=(\d+).*?::(.*)$/gm;
  const lines = [...output.matchAll(report)].map(
    ([, rule, file, line, text]) =>
      `${relative(repository, file)}:${line} ${rule}: ${rule === "format" ? "is not formatted" : text}`,
  );
  return lines.length > 0 ? `${lines.join("\n")}\n\`npm run format\` puts most of it right.` : output;
}

/** What the compiler takes on trust: promises that nobody waits for, and casts. */
async function checkPromises() {
  const faults = [await run("oxlint", ["--type-aware", "--deny-warnings"]), castsFault(repository)].filter(Boolean);
  return faults.length > 0 ? faults.join("\n") : undefined;
}

async function checkBuild() {
  try {
    await build({ say: () => {} });
    return undefined;
  } catch (error) {
    return error.message;
  }
}

/**
 * The rules of .dependency-cruiser.mjs, and that it saw every file: with TypeScript 7 alone it sees none, and is content. And that the
 * map of the rooms in the README has every room of src/, and no other.
 */
async function checkImports() {
  const present = rooms.filter((room) => existsSync(join(repository, room)));
  const files = present.flatMap((room) =>
    readdirSync(join(repository, room), { recursive: true })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => `${room}/${name}`),
  );
  const args = ["--config", ".dependency-cruiser.mjs", "--output-type", "json", ...present];
  const { status, stdout, stderr } = await capture("depcruise", args);
  let report;
  try {
    report = JSON.parse(stdout);
  } catch {
    return `dependency-cruiser failed (exit ${status}): ${stderr || stdout}`;
  }
  const seen = new Set(report.modules.map(({ source }) => source));
  const unseen = files.filter((file) => !seen.has(file));
  const faults = report.summary.violations.map(({ rule, from, to, cycle }) => {
    const path = cycle?.length > 0 ? [from, ...cycle.map((step) => step.name ?? step)].join(" → ") : `${from} → ${to}`;
    const comment = report.summary.ruleSetUsed.forbidden.find(({ name }) => name === rule.name)?.comment ?? "";
    return `${rule.name}: ${path}\n  ${comment}`;
  });
  if (unseen.length > 0)
    faults.push(`dependency-cruiser did not read ${unseen.length} of ${files.length} files: ${unseen.slice(0, 5).join(", ")}`);
  faults.push(...mapFaults());
  return faults.length > 0 ? faults.join("\n") : undefined;
}

function mapFaults() {
  const map = readFileSync(join(repository, "README.md"), "utf8")
    .split("\n")
    .filter((line) => line.startsWith("| `"));
  const named = new Set(map.flatMap((line) => [...line.matchAll(/`src\/([a-z-]+)`/g)].map(([, room]) => room)));
  const there = readdirSync(join(repository, "src"), { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? [entry.name] : [],
  );
  return [
    ...there.filter((room) => !named.has(room)).map((room) => `README.md: its map does not say what is in src/${room}`),
    ...[...named].filter((room) => !there.includes(room)).map((room) => `README.md: its map has src/${room}, which is not there`),
  ];
}

/** The packed package, as a user gets it: its shape, its types, and nothing in it that is not meant for them. */
async function checkPackage() {
  const folder = mkdtempSync(join(tmpdir(), "headrace-pack-"));
  try {
    const packed = await captureCommand("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", folder]);
    if (packed.status !== 0) return `npm pack failed: ${packed.stderr}`;
    const tarball = join(
      folder,
      readdirSync(folder).find((name) => name.endsWith(".tgz")),
    );
    const contents = (await captureCommand("tar", ["-tzf", tarball])).stdout.trim().split("\n");
    const strangers = contents.filter(
      (path) => !/^package\/(bin|dist)\/|^package\/(package\.json|README\.md|LICENSE|NOTICE)$/.test(path),
    );
    if (strangers.length > 0) return `these are packed and should not be: ${strangers.join(", ")}`;
    // Whoever requires it gets ES modules, which Node 20.19 and TypeScript 5.8 can do: attw has it as a fault still.
    const attw = [tarball, "--profile", "strict", "--ignore-rules", "cjs-resolves-to-esm", "--no-emoji"];
    return (await run("publint", ["run", tarball, "--strict"])) ?? (await run("attw", attw));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Undefined when the tool is content, else its output. */
async function run(name, args) {
  const { status, output } = await capture(name, args);
  return status === 0 ? undefined : output || `ended with ${status}`;
}
