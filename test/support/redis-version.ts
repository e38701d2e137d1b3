import { silentLogger } from "../../src/core/log.ts";
import { findProgram } from "../../src/stack/binaries/find-program.ts";
import { redisProgram } from "../../src/stack/binaries/programs.ts";
import { runProgram } from "../../src/stack/binaries/run-program.ts";

/** The Redis that the tests start, as `7.0.15` or `valkey 8.1.3`. */
export async function redisVersion(): Promise<string> {
  const { path } = await findProgram(redisProgram, { env: process.env, log: silentLogger });
  const { output } = await runProgram(path, ["--version"], { timeoutMs: 20_000 });
  return `${/valkey/i.test(output) ? "valkey " : ""}${/v=(\S+)/.exec(output)?.[1] ?? output.trim()}`;
}

/** Whether it can be asked if it has written to disk (WAITAOF): Redis from 7.2 on, and every Valkey. */
export const knowsWaitAof = (version: string): boolean => {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return version.startsWith("valkey") || major > 7 || (major === 7 && minor >= 2);
};
