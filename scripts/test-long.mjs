// npm run test:long [-- file…]: the long forms of the tests that draw their cases. Each prints its seed; HEADRACE_SEED repeats one.
import { spawnSync } from "node:child_process";

const files = process.argv.slice(2);
const { status } = spawnSync(
  process.execPath,
  [
    "node_modules/vitest/vitest.mjs",
    "run",
    "--project=unit",
    "--testTimeout=3600000",
    ...(files.length > 0 ? files : ["test/unit/bus/fuzz.test.ts", "test/unit/windows"]),
  ],
  { stdio: "inherit", env: { HEADRACE_FUZZ_CASES: "1000000", HEADRACE_RUNS: "2000", ...process.env } },
);
process.exitCode = status ?? 1;
