import type { Entry } from "../../bus/port.ts";
import { RetryableError } from "../../core/errors.ts";
import type { RateLimit } from "../../core/rate-limit.ts";
import type { ProcessBatch } from "./processing.ts";

/**
 * Holds what was read back until the source's limit lets it through. Meanwhile nothing more is read, and Redis keeps the rest.
 * Entries that are tried again have paid already, and so have those for which a commit had no room.
 */
export function paced(process: ProcessBatch, limit: RateLimit | undefined): ProcessBatch {
  if (limit === undefined) return process;
  const paid = new WeakSet<Entry>();
  return async (batch, context) => {
    const unpaid = batch.entries.filter((entry) => !paid.has(entry));
    const events = unpaid.reduce((sum, entry) => sum + entry.events, 0);
    if (events > 0) await limit.take(events, context.signal);
    // What was not let through is left to the next owner.
    if (events > 0 && context.signal.aborted) return { kind: "again", error: stopping() };
    for (const entry of unpaid) paid.add(entry);
    return process(batch, context);
  };
}

const stopping = () => new RetryableError("stop.asked", "the worker stops while the source's limit holds its entries back");
