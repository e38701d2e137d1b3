// `npm run test:long`: every test, those that draw their cases or hold an amount in their long form; with arguments, of those that have
// a long form (they import test/support/long-form.ts) the ones whose paths hold an argument. Each run draws new seeds, and prints them;
// HEADRACE_SEED repeats one. The last line is `N passed, N failed`.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { repository } from "./lib/build.mjs";
import { runParts } from "./lib/type-tests.mjs";
import { runVitest } from "./lib/vitest.mjs";

const hourMs = 3_600_000;
const chosen = process.argv.slice(2);
const all = readdirSync(join(repository, "test"), { recursive: true })
  .map((path) => `test/${path.replaceAll("\\", "/")}`)
  .filter(
    (path) =>
      path.endsWith(".test.ts") && /from "[./]+\/support\/long-form\.ts"/.test(readFileSync(join(repository, path), "utf8")),
  )
  .sort();
const files = chosen.length === 0 ? all : all.filter((path) => chosen.some((part) => path.includes(part)));

await runParts([{ name: "long forms", run: () => (files.length === 0 ? nothing() : runLong()) }]);

function runLong() {
  const only = chosen.length === 0 ? [] : files;
  return runVitest([...only, `--testTimeout=${hourMs}`], { files, env: { HEADRACE_LONG: "1" } });
}

function nothing() {
  return { passed: 0, failed: [`no test with a long form is called so; there are ${all.join(", ") || "none"}`] };
}
