import type { AppendLog } from "../bus/append-log.ts";
import type { Clock } from "../core/clock.ts";

/** How much a new time weighs against those before it: one that is shorter more, since little is appended while trouble is passing. */
const weights = { longer: 0.2, shorter: 0.5 } as const;

/** A log whose answers are timed. */
export interface TimedLog {
  readonly log: AppendLog;
  /** How long an append takes: of late, or so far where none has succeeded since, whichever is more, milliseconds. */
  appendMs(): number;
}

/** Times how long a log takes to store frames. While it cannot, that time counts. */
export function timed(log: AppendLog, clock: Clock): TimedLog {
  const underWay = new Set<{ readonly since: number }>();
  let smoothed = 0;
  /** When the first began of those that have failed since the last success. */
  let failingSince: number | undefined;
  return {
    log: {
      async append(partition, frame, durability) {
        const call = { since: clock.monotonic() };
        underWay.add(call);
        try {
          const appended = await log.append(partition, frame, durability);
          failingSince = undefined;
          return appended;
        } catch (error) {
          failingSince ??= call.since;
          throw error;
        } finally {
          underWay.delete(call);
          const ms = clock.monotonic() - call.since;
          smoothed += (ms > smoothed ? weights.longer : weights.shorter) * (ms - smoothed);
        }
      },
      checkDurability: (durability) => log.checkDurability(durability),
      tellVanished: (partition, events) => log.tellVanished(partition, events),
    },
    appendMs() {
      // A set goes by age: the first is the oldest.
      const [oldest] = underWay;
      const now = clock.monotonic();
      return Math.max(smoothed, now - (oldest?.since ?? now), now - (failingSince ?? now));
    },
  };
}
