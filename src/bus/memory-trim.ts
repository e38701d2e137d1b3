import { isBefore } from "./entry-id.ts";
import type { Entry, Trimmed, TrimRequest } from "./port.ts";

/** What trimming has to know of a group of the bus in memory. */
export interface MemoryGroup {
  readonly lastDelivered: string;
  readonly pending: Set<string>;
}

/** Trims a log of the bus in memory, by the rule of trim.lua; all in one call. */
export function trimEntries(
  log: { readonly entries: Map<string, Entry>; readonly groups: ReadonlyMap<string, MemoryGroup> },
  { retention, groups }: TrimRequest,
  now: number,
): Trimmed {
  if (log.groups.size === 0) return { removed: 0, more: false, held: undefined };
  const missing = groups.find((group) => !log.groups.has(group));
  const {
    maxAgeMs = Number.POSITIVE_INFINITY,
    maxEntries = Number.POSITIVE_INFINITY,
    maxBytes = Number.POSITIVE_INFINITY,
  } = retention;
  let left = log.entries.size;
  let bytes = [...log.entries.values()].reduce((sum, entry) => sum + sizeOf(entry), 0);
  let removed = 0;
  for (const [id, entry] of log.entries) {
    const isPast = now - timeOf(id) > maxAgeMs || (left > 1 && (left > maxEntries || bytes > maxBytes));
    if (!isPast) break;
    const holder =
      missing ?? [...log.groups].find(([, { pending, lastDelivered }]) => pending.has(id) || isBefore(lastDelivered, id))?.[0];
    if (holder !== undefined) {
      const { pending = new Set(), lastDelivered = "0-0" } = log.groups.get(holder) ?? {};
      const held = {
        group: holder,
        entry: id,
        ageMs: now - timeOf(id),
        pendingEntries: pending.size,
        lagEntries: [...log.entries.keys()].filter((other) => isBefore(lastDelivered, other)).length,
        missing: holder === missing,
      };
      return { removed, more: false, held };
    }
    log.entries.delete(id);
    left--;
    bytes -= sizeOf(entry);
    removed++;
  }
  return { removed, more: false, held: undefined };
}

const timeOf = (id: string): number => Number(id.split("-")[0]);

const sizeOf = ({ fields = [] }: Entry): number => fields.reduce((sum, field) => sum + field.length, 0);
