/**
 * Remembers the ids of events: a signal may come twice. True for one that came before. Make one in each run of a workflow.
 *
 * @param limit so many of the newest are remembered
 * @example
 * ```ts
 * import { condition, defineSignal, setHandler } from "@temporalio/workflow";
 * const paid = defineSignal<[{ readonly eventId: string; readonly cents: number }]>("paid");
 * export async function tab(): Promise<void> {
 *   let cents = 0;
 *   const isRepeat = seenBefore();
 *   setHandler(paid, (payment) => {
 *     if (!isRepeat(payment.eventId)) cents += payment.cents;
 *   });
 *   await condition(() => cents >= 10_000);
 * }
 * ```
 */
export function seenBefore(limit = 10_000): (eventId: string) => boolean {
  const seen = new Set<string>();
  return (eventId) => {
    if (seen.has(eventId)) return true;
    seen.add(eventId);
    for (const oldest of seen) {
      if (seen.size <= limit) break;
      seen.delete(oldest);
    }
    return false;
  };
}
