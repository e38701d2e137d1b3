import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { repository } from "./build.mjs";
import { show } from "./tools.mjs";

/** Runs vitest, and counts: `{ passed, failed: [what] }`. Each of `files`, by its path, has to have a test that passed. */
export function runVitest(vitestArgs, { files = [], env = {} } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "headrace-tests-"));
  try {
    const path = join(folder, "report.json");
    const args = ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${path}`, ...vitestArgs];
    const { status } = show("vitest", args, env);
    if (!existsSync(path)) return { passed: 0, failed: [`vitest made no report (exit ${status})`] };
    return readReport(JSON.parse(readFileSync(path, "utf8")), { status, vitestArgs, files });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readReport({ testResults }, { status, vitestArgs, files }) {
  // A name pattern leaves tests out on purpose. Otherwise a skipped test is a failure: nothing is left out in silence.
  const chosen = vitestArgs.some((arg) => /^(-t|--testNamePattern)(=|$)/.test(arg));
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
  if (passed === 0 && failed.length === 0) failed.push("no test ran");
  return { passed, failed };
}
