import { execFile } from "node:child_process";

/** How a short-lived program ended. `code` is undefined when it could not be started or was killed. */
export interface ProgramOutcome {
  readonly code: number | undefined;
  /** stdout and stderr, one after the other. */
  readonly output: string;
}

/** Runs a program to its end. Never rejects. */
export function runProgram(
  command: string,
  args: readonly string[],
  options: { timeoutMs: number; env?: NodeJS.ProcessEnv },
): Promise<ProgramOutcome> {
  return new Promise((resolve) => {
    const settings = { timeout: options.timeoutMs, maxBuffer: 16 * 1024 * 1024, ...(options.env && { env: options.env }) };
    execFile(command, args, settings, (error, stdout, stderr) => {
      const output = `${stdout}${stderr}` || (error?.message ?? "");
      if (error === null) resolve({ code: 0, output });
      else resolve({ code: typeof error.code === "number" ? error.code : undefined, output });
    });
  });
}
