import { isBefore } from "../entry-id.ts";
import type { Trimmed, TrimRequest } from "../port.ts";
import type { MemoryLog } from "./log.ts";

/** Trims a log of the twin in memory, by the rule of trim.lua; all in one call. */
export function trimLog(log: MemoryLog, { retention, groups }: TrimRequest, now: number): Trimmed {
  if (log.groups.size === 0) return { removed: 0, more: false, held: undefined };
  const missing = groups.find((group) => !log.groups.has(group));
  const none = Number.POSITIVE_INFINITY;
  const { maxAgeMs = none, maxEntries = none, maxBytes = none } = retention;
  const ids = log.ids;
  let bytes = ids.reduce((sum, id) => sum + sizeOf(log, id), 0);
  for (const [removed, id] of ids.entries()) {
    const left = ids.length - removed;
    const isPast = now - timeOf(id) > maxAgeMs || (left > 1 && (left > maxEntries || bytes > maxBytes));
    if (!isPast) return { removed, more: false, held: undefined };
    const holder =
      missing ?? [...log.groups].find(([, group]) => group.pending.has(id) || isBefore(group.lastDelivered, id))?.[0];
    if (holder !== undefined) {
      const group = log.group(holder);
      const held = {
        group: holder,
        entry: id,
        ageMs: now - timeOf(id),
        pendingEntries: group?.pending.size ?? 0,
        lagEntries: log.lag(group),
        missing: holder === missing,
      };
      return { removed, more: false, held };
    }
    bytes -= sizeOf(log, id);
    log.remove([id]);
  }
  return { removed: ids.length, more: false, held: undefined };
}

const timeOf = (id: string): number => Number(id.split("-")[0]);

const sizeOf = (log: MemoryLog, id: string): number => (log.fieldsOf(id) ?? []).reduce((sum, field) => sum + field.length, 0);
