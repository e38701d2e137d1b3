import type { Entry } from "../../bus/port.ts";
import { RetryableError } from "../../core/errors.ts";
import type { RateLimit } from "../../core/rate-limit.ts";
import type { Fill } from "./fill.ts";

/**
 * Holds what was read back until the source's limit lets it through. Meanwhile nothing more is read, and Redis keeps the rest.
 * Entries that are tried again have paid already.
 */
export function paced<Context extends { readonly signal: AbortSignal }>(
  fill: Fill<Context>,
  limit: RateLimit | undefined,
): Fill<Context> {
  if (limit === undefined) return fill;
  const paid = new WeakSet<readonly Entry[]>();
  return async (entries, context) => {
    if (!paid.has(entries)) {
      const events = entries.reduce((sum, entry) => sum + entry.events, 0);
      await limit.take(events, context.signal);
      // What was not let through is left to the next owner.
      if (context.signal.aborted)
        throw new RetryableError("service.unreachable", "the worker stops while the source's limit holds its entries back");
      paid.add(entries);
    }
    return fill(entries, context);
  };
}
