import { writeSync } from "node:fs";
import { systemCode } from "./system-code.ts";

/** How long a reader that is too slow is waited for, a try at a time, milliseconds. */
const maxWaitMs = 1_000;
const restMs = 10;

let lost = 0;

/**
 * Writes lines to standard error. Where that cannot be (a full disk, a reader that has gone) they are lost and counted, which is told
 * with the next line that can be written: no process ends because nobody can be told something.
 */
export function writeStandardError(text: string): void {
  const missing = lost === 0 ? "" : `\nheadrace: ${lost} ${lost === 1 ? "message" : "messages"} could not be written here\n`;
  if (isWritten(Buffer.from(`${missing}${text}`))) lost = 0;
  else lost++;
}

function isWritten(bytes: Buffer): boolean {
  const until = performance.now() + maxWaitMs;
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(2, bytes, at);
    } catch (error) {
      const isBusy = systemCode(error) === "EAGAIN" && performance.now() < until;
      if (!isBusy) return false;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, restMs);
    }
  }
  return true;
}
