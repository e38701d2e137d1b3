import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { Host } from "./host.ts";

/** Something that runs inside a process of yours. */
export interface Running extends AsyncDisposable {
  /** Resolves when it is connected and has begun. Rejects where it cannot begin: then everything is closed again. */
  readonly ready: Promise<void>;
  /** Resolves when it has ended because it was asked to; rejects with what ended it otherwise, which the logger is told too. */
  readonly ended: Promise<void>;
  /** Takes nothing more, and resolves when all that was taken is settled. Its partitions are free for others then. */
  drain(): Promise<void>;
  /** Drains, leaves the registry and closes all connections. May be called twice, and never rejects: `ended` tells what went wrong. */
  close(): Promise<void>;
}

/** Runs a host in the background until it is asked to end, or `signal` aborts. */
export function runInBackground(
  open: () => Promise<Host>,
  { name, logger, signal }: { readonly name: string; readonly logger: Logger; readonly signal: AbortSignal | undefined },
): Running {
  const asked = new AbortController();
  const stop = signal ? AbortSignal.any([signal, asked.signal]) : asked.signal;
  const opening = open();
  const settled = opening.then((host) => host.run(stop));
  const ended = closeBehind(settled, opening);
  // The logger is told for those who do not await it; and a rejection that nobody awaits would end the process.
  ended.catch((error) => logger.error({ error: messageOf(error) }, `the ${name} has ended`));
  const ready = opening.then(() => {});
  ready.catch(() => {});
  const drain = async () => {
    asked.abort();
    await settled.catch(() => {});
  };
  const close = async () => {
    await drain();
    await ended.catch(() => {});
  };
  return { ready, ended, drain, close, [Symbol.asyncDispose]: close };
}

/** Settles as `settled` does, once everything is closed. */
async function closeBehind(settled: Promise<void>, opening: Promise<Host>): Promise<void> {
  try {
    await settled;
  } finally {
    const host = await opening.catch(() => undefined);
    await host?.close();
  }
}
