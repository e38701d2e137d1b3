import { join } from "node:path";
import { z } from "zod";
import type { Clock } from "../core/clock.ts";
import { ConfigError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { commandLineOf, isAlive } from "./process-check.ts";
import { readState, writeState } from "./state-file.ts";

/** A service's processes, as they are written down while they run. */
export interface ProcessRecord {
  readonly name: string;
  readonly pid: number;
  readonly guardPid: number;
}

const record = z.object({ name: z.string(), pid: z.int().positive(), guardPid: z.int().positive() });
const processFile = z.object({ dir: z.string(), processes: z.array(record) });
const processPath = (dir: string) => join(dir, "processes.json");

/** Guards stop their services within 10 s; beyond, the guard is gone too. */
const waitMs = 12_000;
const killAfterMs = 8_000;

/** Writes down which processes run, for the case that nobody is left to stop them. */
export function writeProcesses(dir: string, processes: readonly ProcessRecord[]): void {
  writeState(processPath(dir), { dir, processes });
}

/**
 * Waits for the services of a former stack on this directory, which their guards may still be stopping, and stops
 * those whose guard is gone. A process is ours only if its command line names the directory.
 */
export async function stopLeftovers(dir: string, deps: { clock: Clock; log: Logger }): Promise<void> {
  const former = readState(processPath(dir), processFile);
  if (former === undefined) return;
  const begun = deps.clock.monotonic();
  let told = false;
  for (const { name, pid } of former.processes) {
    for (let killed = false; isAlive(pid) && commandLineOf(pid).includes(former.dir); ) {
      const waited = deps.clock.monotonic() - begun;
      if (!told) {
        deps.log.info({ service: name, pid }, `waiting for ${name} of a former stack (process ${pid}) to end`);
        process.kill(pid, "SIGTERM");
        told = true;
      }
      if (waited > killAfterMs && !killed) {
        process.kill(pid, "SIGKILL");
        killed = true;
      }
      if (waited > waitMs) {
        throw new ConfigError("stack.state", `process ${pid} (${name}) of a former stack on ${dir} does not end`, {
          hint: `Stop it: kill -9 ${pid}.`,
        });
      }
      await deps.clock.sleep(50);
    }
    told = false;
  }
}
