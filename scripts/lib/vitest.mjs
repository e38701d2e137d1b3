import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { repository } from "./build.mjs";
import { show } from "./tools.mjs";

const slowestShown = 10;

/** Runs vitest, and counts: `{ passed, failed: [what] }`. Each of `files`, by its path, has to have a test that passed. */
export function runVitest(vitestArgs, { files = [], env = {} } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "headrace-tests-"));
  try {
    const path = join(folder, "report.json");
    const args = ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${path}`, ...vitestArgs];
    const { status } = show("vitest", args, env);
    if (!existsSync(path)) return { passed: 0, failed: [`vitest made no report (exit ${status})`] };
    const report = JSON.parse(readFileSync(path, "utf8"));
    tellSlowest(report);
    return readReport(report, { status, vitestArgs, files });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Where the time goes, for whoever wants it back. */
function tellSlowest({ testResults }) {
  const files = testResults.map(({ name, startTime, endTime }) => ({ name, ms: endTime - startTime }));
  const slowest = files.sort((one, other) => other.ms - one.ms).slice(0, slowestShown);
  if (slowest.length === 0) return;
  process.stdout.write("\nThe slowest files, in seconds:\n");
  for (const { name, ms } of slowest)
    process.stdout.write(`${(ms / 1_000).toFixed(1).padStart(8)}  ${relative(repository, name)}\n`);
}

function readReport({ testResults }, { status, vitestArgs, files }) {
  // A name pattern leaves tests out on purpose. Otherwise a skipped test is a failure: nothing is left out in silence.
  const chosen = vitestArgs.some((arg) => /^(-t|--testNamePattern)(=|$)/.test(arg));
  // What nothing depends on has no test to run.
  const mayBeNone = vitestArgs.some((arg) => /^--changed(=|$)/.test(arg));
  let passed = 0;
  const failed = [];
  const silent = new Set(files);
  for (const { name, status: fileStatus, message, assertionResults } of testResults) {
    const file = relative(repository, name);
    const before = failed.length;
    for (const { status: outcome, fullName } of assertionResults) {
      silent.delete(file);
      // The words of test/support/not-tried.ts.
      const [untried] = /not tried here: .*/.exec(fullName) ?? [];
      if (outcome === "passed" && untried !== undefined) process.stdout.write(`${untried}\n`);
      else if (outcome === "passed") passed += 1;
      else if (outcome === "failed") failed.push(`${file}: ${fullName}`);
      else if (!chosen) failed.push(`${file}: ${fullName} (${outcome})`);
    }
    // A file that cannot be loaded, or whose hooks fail, has no failed test of its own.
    if (fileStatus === "failed" && failed.length === before)
      failed.push(`${file}: ${message?.split("\n")[0] || "failed as a whole"}`);
    if (failed.length > before) silent.delete(file);
  }
  failed.push(...[...silent].map((file) => `${file}: no test of it ran`));
  if (status !== 0 && failed.length === 0) failed.push(`vitest ended with ${status}`);
  if (passed === 0 && failed.length === 0) {
    if (mayBeNone) process.stdout.write("no test depends on what has changed\n");
    else failed.push("no test ran");
  }
  return { passed, failed };
}
