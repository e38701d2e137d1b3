/**
 * Remembers the ids of events: a signal may come twice. True for one that came before. Make one in each run of a workflow.
 *
 * @param limit so many of the newest are remembered
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
