import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/log.ts";
import type { AppendFsync } from "./settings.ts";
import { startStack } from "./start-stack.ts";
import type { StackInfo } from "./state-file.ts";

export interface RunUpOptions {
  readonly dir: string;
  readonly ports: "free" | "standard";
  readonly appendFsync?: AppendFsync;
  /** Stops the stack, or its start. */
  readonly signal: AbortSignal;
}

export interface RunUpDeps {
  readonly log: Logger;
  readonly clock?: Clock;
  readonly env?: NodeJS.ProcessEnv;
  /** Called once, when all three services answer. */
  readonly onReady: (stack: StackInfo) => void;
}

/**
 * Runs the stack until the signal aborts, or a service has to be given up; then everything is stopped in order.
 * Throws ConfigError when the stack cannot be started or a service was given up.
 */
export async function runUp({ signal, ...options }: RunUpOptions, { onReady, ...deps }: RunUpDeps): Promise<void> {
  const stopped = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
  const stack = await startStack({ ...options, signal }, deps).catch((error: unknown) => {
    if (signal.aborted) return undefined;
    throw error;
  });
  if (stack === undefined) return;
  try {
    if (!signal.aborted) onReady(stack.info);
    const givenUp = await Promise.race([stopped, stack.givenUp]);
    if (givenUp !== undefined) throw givenUp;
  } finally {
    await stack.close();
  }
}
