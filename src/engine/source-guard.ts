import { announcedEvents, isFrame } from "../bus/frame.ts";
import type { Entry } from "../bus/port.ts";
import { RetryableError } from "../core/errors.ts";
import type { RateLimit } from "../core/rate-limit.ts";
import type { Fill } from "./fill.ts";

/** How many events entries announce; one for an entry that is no frame, or that has gone. */
export const eventsIn = (entries: readonly Entry[]): number =>
  entries.reduce((sum, { fields }) => sum + (fields && isFrame(fields) ? announcedEvents(fields[9]) : 1), 0);

/**
 * Holds what was read back until the source's limit lets it through. Meanwhile nothing more is read, and Redis keeps the rest.
 * Entries that are tried again have paid already.
 */
export function paced(fill: Fill, limit: RateLimit | undefined, stop: AbortSignal): Fill {
  if (limit === undefined) return fill;
  const paid = new WeakSet<readonly Entry[]>();
  return async (entries, context) => {
    if (!paid.has(entries)) {
      await limit.take(eventsIn(entries), stop);
      if (stop.aborted)
        throw new RetryableError("service.unreachable", "asked to stop while the source's limit held the entries back");
      paid.add(entries);
    }
    return fill(entries, context);
  };
}
