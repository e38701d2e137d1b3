import { whenLauncherEnds } from "./launcher.ts";
import { exitCodes, say } from "./output.ts";

/** A signal that the first Ctrl-C aborts; the second one ends the process. */
export function onInterrupt(sentence: string): AbortSignal {
  const stop = new AbortController();
  process.once("SIGINT", () => {
    say(sentence);
    stop.abort();
  });
  return stop.signal;
}

/** How a verb that stays is asked to end. */
export interface Stopping {
  readonly signal: AbortSignal;
  /** The same without being asked, where something has failed. */
  readonly abort: () => void;
  /** Of a regular end: 130 behind Ctrl-C, else 0. */
  readonly exitCode: () => number;
}

/**
 * SIGTERM, SIGINT and SIGHUP abort the signal, and so does the end of the npx that started us. Another SIGTERM or SIGINT ends the process
 * at once; not another SIGHUP: where a terminal closes, its shell and the system both send one.
 */
export function onStop(onFirst: () => void = () => {}): Stopping {
  const stop = new AbortController();
  let first: string | undefined;
  const begin = (name: string) => {
    first = name;
    onFirst();
    stop.abort();
  };
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.on(name, () => {
      if (first !== undefined) process.exit(exitCodes.interrupted);
      begin(name);
    });
  }
  const beginOnce = (name: string) => {
    if (first === undefined) begin(name);
  };
  process.on("SIGHUP", () => beginOnce("SIGHUP"));
  whenLauncherEnds(() => beginOnce("SIGTERM"));
  return {
    signal: stop.signal,
    abort: () => stop.abort(),
    exitCode: () => (first === "SIGINT" ? exitCodes.interrupted : exitCodes.fine),
  };
}
