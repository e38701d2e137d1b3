import { closeSync, fstatSync, openSync, readSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import type { Clock } from "../core/clock.ts";
import { ConfigError, messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { type GuardedProcess, type ProcessEnd, startGuarded } from "./guard.ts";

/** How one service is run. */
export interface ServicePlan {
  readonly name: "redis" | "clickhouse" | "temporal";
  readonly title: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly logFile: string;
  readonly port: number;
  /** Rejects while the service does not answer. */
  readonly check: () => Promise<void>;
  /** An exit code that says: this machine cannot run it, and the last line of the log says why. */
  readonly missing?: { readonly exitCode: number; readonly hint: string };
}

export interface ServiceDeps {
  readonly clock: Clock;
  readonly log: Logger;
  /** Called whenever the service has new processes. */
  readonly onProcesses: () => void;
  /** Called once, when the service died so often that it is given up. */
  readonly onGivenUp: (error: Error) => void;
}

const startTimeoutMs = 30_000;
const checkEveryMs = 25;
const stopGraceSeconds = 10;
/** More deaths than this in a minute, and starting again does not help. */
const maxRestartsAMinute = 5;
const logTailLines = 8;
const fullBelowBytes = 4 * 1024 * 1024;

/** A service that is started again on the same port when it dies. */
export class Service {
  readonly plan: ServicePlan;
  readonly #deps: ServiceDeps;
  readonly #stopping = new AbortController();
  #process: GuardedProcess | undefined;
  #pid: number | undefined;
  #deaths: number[] = [];

  constructor(plan: ServicePlan, deps: ServiceDeps) {
    this.plan = plan;
    this.#deps = deps;
  }

  /** The processes of now: the service's own and its guard's. */
  get processes(): { readonly name: string; readonly pid: number; readonly guardPid: number } | undefined {
    if (this.#process === undefined || this.#pid === undefined) return undefined;
    return { name: this.plan.name, pid: this.#pid, guardPid: this.#process.guardPid };
  }

  /** Resolves when it answers. Rejects with ConfigError `stack.start` or `stack.missing`, and leaves nothing behind then. */
  async start(signal: AbortSignal): Promise<void> {
    const process = await this.#startOnce(signal);
    void this.#keepAlive(process);
  }

  /** Stops it in order. May be called twice. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#process?.stop();
  }

  async #startOnce(signal: AbortSignal): Promise<GuardedProcess> {
    const { plan } = this;
    const started = startGuarded({
      command: plan.command,
      args: plan.args,
      logFile: plan.logFile,
      graceSeconds: stopGraceSeconds,
      ...(plan.env && { env: plan.env }),
    });
    this.#process = started;
    let end: ProcessEnd | undefined;
    void started.exited.then((how) => {
      end = how;
    });
    this.#pid = await started.pid.catch(() => undefined);
    this.#deps.onProcesses();
    const deadline = this.#deps.clock.monotonic() + startTimeoutMs;
    let reason = "it did not answer";
    while (this.#deps.clock.monotonic() < deadline) {
      if (signal.aborted || this.#stopping.signal.aborted) break;
      try {
        await plan.check();
        // Somebody else's service may answer on a port that ours could not get.
        if (end === undefined) return started;
      } catch (error) {
        reason = messageOf(error);
      }
      if (end !== undefined) throw this.#startFault(end);
      await this.#deps.clock.sleep(checkEveryMs, signal);
    }
    await started.stop();
    if (signal.aborted || this.#stopping.signal.aborted)
      throw new ConfigError("stack.start", `${plan.title} was stopped while it started`);
    throw new ConfigError(
      "stack.start",
      `${plan.title} did not answer within ${startTimeoutMs / 1_000} s (${reason})${this.#logTail()}`,
      {
        hint: `The whole log is in ${plan.logFile}.`,
      },
    );
  }

  async #keepAlive(first: GuardedProcess): Promise<void> {
    const { plan } = this;
    const { clock, log } = this.#deps;
    const { signal } = this.#stopping;
    let end: string | undefined = (await first.exited).text;
    while (!signal.aborted) {
      this.#deaths = [...this.#deaths.filter((at) => at > clock.monotonic() - 60_000), clock.monotonic()];
      if (this.#deaths.length > maxRestartsAMinute) {
        const text = `${plan.title} died ${this.#deaths.length} times within a minute (${end}): given up${this.#logTail()}`;
        this.#deps.onGivenUp(new ConfigError("stack.start", text, { hint: `The whole log is in ${plan.logFile}.` }));
        return;
      }
      log.warn({ service: plan.name, port: plan.port }, `${plan.title} died (${end}); it is started again on port ${plan.port}`);
      // A service that dies at once must not take the processor with it.
      await clock.sleep(100 * this.#deaths.length, signal);
      if (signal.aborted) return;
      try {
        const again = await this.#startOnce(signal);
        log.info({ service: plan.name, port: plan.port }, `${plan.title} answers again on port ${plan.port}`);
        end = (await again.exited).text;
      } catch (error) {
        end = messageOf(error);
      }
    }
  }

  #startFault(end: ProcessEnd): ConfigError {
    const { plan } = this;
    if (plan.missing !== undefined && end.code === plan.missing.exitCode) {
      return new ConfigError("stack.missing", lastLines(plan.logFile, 1).join(""), { hint: plan.missing.hint });
    }
    return new ConfigError("stack.start", `${plan.title} ended at its start (${end.text})${this.#logTail()}`, {
      hint: `The whole log is in ${plan.logFile}.`,
    });
  }

  #logTail(): string {
    const { logFile } = this.plan;
    const full = isDiskFull(logFile) ? `: the disk that holds ${dirname(logFile)} is full` : "";
    const lines = lastLines(logFile, logTailLines);
    return lines.length === 0 ? full : `${full}. Its last lines:\n${lines.map((line) => `  ${line}`).join("\n")}`;
  }
}

/** A service on a full disk can often not even say so in its log. */
function isDiskFull(path: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(dirname(path));
    return bavail * bsize < fullBelowBytes;
  } catch {
    return false;
  }
}

function lastLines(file: string, count: number): string[] {
  try {
    const log = openSync(file, "r");
    try {
      const tail = Buffer.alloc(16_384);
      const bytes = readSync(log, tail, 0, tail.length, Math.max(0, fstatSync(log).size - tail.length));
      const lines = tail.toString("utf8", 0, bytes).split("\n");
      return lines.filter((line) => line.trim() !== "").slice(-count);
    } finally {
      closeSync(log);
    }
  } catch {
    return [];
  }
}
