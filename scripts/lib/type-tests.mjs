import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { repository } from "./build.mjs";
import { capture } from "./tools.mjs";
import { faultsIn, refusedFolder, typeErrors } from "./types.mjs";

/** The parts, each of which says `{ passed, failed: [what] }`. */
export const typeParts = [
  { name: "types", run: types },
  { name: "types that must be refused", run: refusedTypes },
  { name: "type tests", run: typeTests },
];

let begun;
/** Both tools, side by side. The first two parts look at what one run of the compiler says. */
const toolsRun = () => {
  begun ??= { errors: typeErrors(), tstyche: runTstyche() };
  for (const one of Object.values(begun)) one.catch(() => {}); // told by the part that waits for it
  return begun;
};

/** One pass or one failure: the whole program, tests included, type-checks. */
async function types() {
  const faults = faultsIn(await toolsRun().errors);
  if (faults.length === 0) return { passed: 1, failed: [] };
  process.stdout.write(`${faults.map(({ text }) => text).join("\n")}\n`);
  return { passed: 0, failed: [`${faults.length} error(s)`] };
}

/**
 * What the type checker must refuse, as users run it. In test/types/must-fail, a comment `// refused: <text>` announces the one
 * error of the next line, and what it must say. Any other error there, such as a missing module, is a fault.
 */
async function refusedTypes() {
  const all = await toolsRun().errors;
  const faults = faultsIn(all);
  const errors = all.filter((error) => !faults.includes(error));
  const paths = readdirSync(join(repository, refusedFolder))
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `${refusedFolder}/${name}`);
  const promises = paths.flatMap(promisesOf);
  const broken = promises.flatMap((promise) => brokenPromise(promise, errors));
  const silent = paths.filter((path) => !promises.some((promise) => promise.path === path));
  const surprises = errors.filter(
    ({ path, line }) => !silent.includes(path) && !promises.some((promise) => promise.path === path && promise.line === line),
  );
  const failed = [
    ...broken,
    ...silent.map((path) => `${path} compiles, or does not say what must be refused`),
    ...surprises.map(({ text }) => `not announced: ${text}`),
  ];
  return { passed: promises.length - broken.length, failed: promises.length === 0 ? [`${refusedFolder} is empty`] : failed };
}

function promisesOf(path) {
  const lines = readFileSync(join(repository, path), "utf8").split("\n");
  return lines.flatMap((line, i) => {
    const said = /^\s*\/\/ refused: (.+)/.exec(line)?.[1]?.trim();
    return said ? [{ path, line: i + 2, said }] : [];
  });
}

function brokenPromise({ path, line, said }, errors) {
  const found = errors.filter((error) => error.path === path && error.line === line);
  if (found.length === 0) return [`${path}(${line}) compiles, and must not: ${said}`];
  if (found.length > 1) return [`${path}(${line}) has ${found.length} errors, and should have one: ${said}`];
  return found[0].text.includes(said) ? [] : [`${path} is refused, but not with "${said}": ${found[0].text}`];
}

/** TSTyche over test/types: exact types, and the sentence of each expected error. */
async function typeTests() {
  const { output, outcome } = await toolsRun().tstyche;
  process.stdout.write(`${output}\n`);
  return outcome;
}

async function runTstyche() {
  const folder = mkdtempSync(join(tmpdir(), "headrace-types-"));
  try {
    const path = join(folder, "report.json");
    const reporters = `list,${join(repository, "scripts/lib/tstyche-reporter.mjs")}`;
    const env = { HEADRACE_TSTYCHE_REPORT: path, TSTYCHE_TYPESCRIPT_MODULE: typescriptWithApi() };
    const { status, output } = await capture("tstyche", ["--reporters", reporters], env);
    const outcome = existsSync(path)
      ? readReport(JSON.parse(readFileSync(path, "utf8")), status)
      : { passed: 0, failed: [`tstyche made no report (exit ${status})`] };
    return { output, outcome };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readReport({ tests, suppressed, files, skipped }, status) {
  const failed = skipped.map((name) => `skipped: ${name}`);
  const faults = tests.failed + suppressed.failed || files.failed;
  for (let i = 0; i < faults; i += 1) failed.push("see above");
  if (files.passed + files.failed === 0) failed.push("there is no test/types/*.tst.ts");
  if (status !== 0 && failed.length === 0) failed.push(`tstyche ended with ${status}`);
  return { passed: tests.passed + suppressed.matched, failed };
}

/**
 * The package installed as `typescript` only forwards to TypeScript 6. TSTyche patches the source text of the file it
 * loads, which must therefore be the real one: with the forwarder it crashes at the first `toBe`.
 */
function typescriptWithApi() {
  const forwarder = createRequire(join(repository, "node_modules/typescript/package.json"));
  return pathToFileURL(forwarder.resolve("@typescript/old")).href;
}

/** Runs parts one after the other, and prints what failed and the counts. */
export async function runParts(parts) {
  let passed = 0;
  const failures = [];
  for (const { name, run } of parts) {
    process.stdout.write(`\n── ${name}\n`);
    const outcome = await run();
    passed += outcome.passed;
    failures.push(...outcome.failed.map((what) => `  ${name}: ${what}`));
  }
  if (failures.length > 0) process.stdout.write(`\nFailed:\n${failures.join("\n")}\n`);
  process.stdout.write(`\n${passed} passed, ${failures.length} failed\n`);
  process.exitCode = failures.length > 0 ? 1 : 0;
}
