import { resolve } from "node:path";
import { ConfigError } from "../core/errors.ts";
import { runUp } from "../stack/run-up.ts";
import type { StackInfo } from "../stack/state-file.ts";
import { onStop } from "./interrupt.ts";
import { createLogger } from "./logger.ts";
import { printJson, printLine, say } from "./output.ts";
import type { ServiceLocation } from "./services.ts";

export interface UpOptions extends ServiceLocation {
  readonly ports: string;
  readonly json: boolean;
  /** When Redis calls fsync: `everysec`, unless the caller wants `always`. */
  readonly appendFsync?: string | undefined;
}

/** `headrace up`: Redis, ClickHouse and Temporal, until SIGTERM or SIGHUP (exit code 0) or SIGINT (130); a second signal ends at once. */
export async function upVerb(options: UpOptions): Promise<number> {
  const ports = oneOf("--ports", options.ports, ["free", "standard"]);
  const appendFsync = oneOf("--append-fsync", options.appendFsync ?? "everysec", ["everysec", "always"]);
  const log = createLogger();
  // The guards of the services stop them when this process is gone.
  const { signal, exitCode } = onStop(() => {
    if (!options.json) say("Stopping.");
  });
  if (!options.json) say("Starting Redis, ClickHouse and Temporal.");
  await runUp(
    { dir: resolve(options.cwd, options.dir), ports, appendFsync, signal },
    { log, onReady: options.json ? printReady : showReady },
  );
  return exitCode();
}

function printReady({ redis, clickhouse, temporal, temporalUi, dir, pid }: StackInfo): void {
  printJson({ ready: true, redis, clickhouse, temporal, temporalUi, dir, pid });
}

function showReady(stack: StackInfo): void {
  printLine(`Redis        ${stack.redis}`);
  printLine(`ClickHouse   ${stack.clickhouse}`);
  printLine(`Temporal     ${stack.temporal}`);
  printLine(`Temporal UI  ${stack.temporalUi}`);
  printLine(`State        ${stack.dir}`);
  say("Ready. Ctrl-C stops all of it; the data stays.");
}

function oneOf<T extends string>(flag: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === value);
  if (found !== undefined) return found;
  throw new ConfigError("usage", `${flag} cannot be '${value}'`, { hint: `Use ${allowed.join(" or ")}.` });
}
