// `npm test`: types, type tests, then every other test. The last line is `N passed, N failed`, over all of them.
// Arguments go to vitest: `npm test -- test/unit/core`, `npm test -- -t "a sentence"`.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { repository } from "./lib/build.mjs";
import { show } from "./lib/tools.mjs";
import { runParts, typeParts } from "./lib/type-tests.mjs";

const vitestArgs = process.argv.slice(2);

runParts([...typeParts, { name: "tests", run: tests }]);

function tests() {
  const folder = mkdtempSync(join(tmpdir(), "headrace-tests-"));
  try {
    const path = join(folder, "report.json");
    const args = ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${path}`, ...vitestArgs];
    const { status } = show("vitest", args);
    if (!existsSync(path)) return { passed: 0, failed: [`vitest made no report (exit ${status})`] };
    return readReport(JSON.parse(readFileSync(path, "utf8")), status);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readReport({ testResults }, status) {
  // A name pattern leaves tests out on purpose. Otherwise a skipped test is a failure: nothing is left out in silence.
  const chosen = vitestArgs.some((arg) => /^(-t|--testNamePattern)(=|$)/.test(arg));
  let passed = 0;
  const failed = [];
  for (const { name, status: fileStatus, message, assertionResults } of testResults) {
    const file = relative(repository, name);
    const before = failed.length;
    for (const { status: outcome, fullName } of assertionResults) {
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
  }
  tellSlowest(testResults);
  if (status !== 0 && failed.length === 0) failed.push(`vitest ended with ${status}`);
  if (passed === 0 && failed.length === 0) failed.push("no test ran");
  return { passed, failed };
}

/** The files whose tests took longest, in seconds: where a slow run has its time. */
function tellSlowest(testResults) {
  const seconds = ({ startTime, endTime }) => (endTime - startTime) / 1_000;
  const slowest = testResults.toSorted((a, b) => seconds(b) - seconds(a)).slice(0, 10);
  const lines = slowest.map((file) => `${seconds(file).toFixed(1).padStart(7)} s  ${relative(repository, file.name)}`);
  process.stdout.write(`The slowest files:\n${lines.join("\n")}\n`);
}
