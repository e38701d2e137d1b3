import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { endWithUs } from "../support/after-us.ts";
import type { Login } from "./workload.ts";

const runner = fileURLToPath(new URL("../../scripts/run.mjs", import.meta.url));
const program = fileURLToPath(new URL("./producer-main.ts", import.meta.url));

export interface ProducerTask {
  readonly redisUrl: string;
  readonly events: readonly Login[];
  readonly perSecond: number;
}

export interface ProducerProcess {
  /** Resolves with the first acknowledgement. */
  readonly started: Promise<unknown>;
  /** kill -9. */
  kill(): void;
  /** Resolves when it has ended, and every acknowledgement that it printed has been told. */
  readonly ended: Promise<unknown>;
}

/** Sends events from a process of its own, which prints the id of each event that was acknowledged. */
export function startProducerProcess(task: ProducerTask, onStored: (id: string) => void): ProducerProcess {
  const child = endWithUs(spawn(process.execPath, [runner, program], { stdio: ["pipe", "pipe", "inherit"] }));
  child.stdin.on("error", () => {}); // it may be killed before it has read all
  child.stdin.end(JSON.stringify(task));
  const kill = () => void child.kill("SIGKILL");
  const lines = createInterface(child.stdout);
  lines.on("line", (id) => {
    // The last line of a killed process may be cut short.
    if (id.length === 36) onStored(id);
  });
  const ended = Promise.all([once(child, "exit"), once(lines, "close")]);
  return { started: Promise.race([once(lines, "line"), ended]), kill, ended };
}
