import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { repository } from "./build.mjs";
import { capture, show } from "./tools.mjs";

const refusedFolder = "test/types/must-fail";

/** The parts, each of which says `{ passed, failed: [what] }`. */
export const typeParts = [
  { name: "types", run: types },
  { name: "types that must be refused", run: refusedTypes },
  { name: "type tests", run: typeTests },
];

/** One pass or one failure: the whole program, tests included, type-checks. */
function types() {
  const { status, output } = capture("tsc", ["-p", "tsconfig.json", "--pretty", "false"]);
  if (status === 0) return { passed: 1, failed: [] };
  process.stdout.write(`${output}\n`);
  return { passed: 0, failed: [`${output.match(/error TS/g)?.length ?? 0} error(s)`] };
}

/**
 * Every file of test/types/must-fail has to be refused by the type checker: this proves that it is awake.
 * A first line `// refused: <text>` names what its errors must say. A missing module or a syntax error is no refusal.
 */
function refusedTypes() {
  const { output } = capture("tsc", ["-p", refusedFolder, "--pretty", "false"]);
  const refusals = output.split(/\n(?=\S)/).filter((line) => !/error TS(1\d{3}|2307|2792):/.test(line));
  const files = readdirSync(join(repository, refusedFolder)).filter((name) => name.endsWith(".ts"));
  const failed = files.length === 0 ? [`${refusedFolder} is empty`] : files.flatMap((name) => faultOf(name, refusals));
  return { passed: files.length - failed.length, failed };
}

function faultOf(name, refusals) {
  const path = `${refusedFolder}/${name}`;
  const expected = /^\/\/ refused: (.+)/.exec(readFileSync(join(repository, path), "utf8"))?.[1]?.trim() ?? "";
  const said = refusals.filter((line) => line.startsWith(`${path}(`));
  if (said.length === 0) return [`${path} compiles`];
  if (said.some((line) => line.includes(expected))) return [];
  return [`${path} is refused, but not with "${expected}": ${said.join(" ")}`];
}

/** TSTyche over test/types: exact types, and the sentence of each expected error. */
function typeTests() {
  const folder = mkdtempSync(join(tmpdir(), "headrace-types-"));
  try {
    const path = join(folder, "report.json");
    const reporters = `list,${join(repository, "scripts/lib/tstyche-reporter.mjs")}`;
    const env = { HEADRACE_TSTYCHE_REPORT: path, TSTYCHE_TYPESCRIPT_MODULE: typescriptWithApi() };
    const { status } = show("tstyche", ["--reporters", reporters], env);
    if (!existsSync(path)) return { passed: 0, failed: [`tstyche made no report (exit ${status})`] };
    return readReport(JSON.parse(readFileSync(path, "utf8")), status);
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

/** Runs parts one after the other, prints what failed, and returns the counts. */
export function runParts(parts) {
  let passed = 0;
  const failures = [];
  for (const { name, run } of parts) {
    process.stdout.write(`\n── ${name}\n`);
    const outcome = run();
    passed += outcome.passed;
    failures.push(...outcome.failed.map((what) => `  ${name}: ${what}`));
  }
  if (failures.length > 0) process.stdout.write(`\nFailed:\n${failures.join("\n")}\n`);
  process.stdout.write(`\n${passed} passed, ${failures.length} failed\n`);
  process.exitCode = failures.length > 0 ? 1 : 0;
}
