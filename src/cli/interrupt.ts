import { say } from "./output.ts";

/** A signal that the first Ctrl-C aborts; the second one ends the process. */
export function onInterrupt(sentence: string): AbortSignal {
  const stop = new AbortController();
  process.once("SIGINT", () => {
    say(sentence);
    stop.abort();
  });
  return stop.signal;
}
