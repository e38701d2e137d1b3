import { bytesOf } from "../../bus/entry-bytes.ts";
import { isBefore } from "../../bus/entry-id.ts";
import type { Entry, Fence } from "../../bus/port.ts";

/** What the entries of one read are to measure together, bytes. One entry may measure more. */
const readBytes = 4 * 1024 * 1024;
/** Entries of one read at most, and suspects that are tried together at first (deliveryLimits): a frame may hold 500 events. */
const maxEntries = { frames: 64, plain: 1_000 } as const;
/** Entries of the first read. Each may be `growth` times as large as the one before, and no more: large entries may lie anywhere. */
const firstEntries = { frames: 2, plain: 16 } as const;
const growth = 8;

/** How far the reading of one log is. */
export interface Cursor {
  readonly fence: Fence;
  /** Entries of the next read: as many as hold the events of one, by those of the last. */
  count: number;
  readonly maxEntries: number;
  /** What an entry measured that was taken last, inflated, bytes. */
  bytesEach: number;
  /** The last read brought as many as were asked for. */
  isFull: boolean;
  from: "pending" | "new";
  /** The last entry received: pending ones are asked for behind it. */
  received: string;
  /** The newest entry that the group was ever given. */
  newest: string;
  /** Until then, by the monotonic clock, this log is not read while the other one has entries: its last read brought nothing. */
  idleUntil: number;
}

/** The beginning of one log: `newest` is the newest entry that the group was given by then. */
export const cursorOn = (
  fence: Fence,
  { newest, kind }: { readonly newest: string; readonly kind: "frames" | "plain" },
): Cursor => ({
  fence,
  count: firstEntries[kind],
  maxEntries: maxEntries[kind],
  bytesEach: 0,
  isFull: false,
  from: "pending",
  received: "0-0",
  newest,
  idleUntil: 0,
});

/** Moves behind what a read has brought. `eventsPerRead`: how many events the next one is to bring. */
export function move(cursor: Cursor, entries: readonly Entry[], eventsPerRead: number): void {
  const newest = entries.at(-1)?.id;
  if (newest === undefined) return;
  cursor.received = newest;
  // Also for pending entries: those of a read whose answer was lost are newer than what we knew of.
  if (isBefore(cursor.newest, newest)) cursor.newest = newest;
  cursor.isFull = entries.length >= cursor.count;
  cursor.count = nextCount(cursor, entries, eventsPerRead);
}

/** As many entries as hold the events and the bytes that one read is to bring. */
function nextCount({ count, maxEntries: most, bytesEach }: Cursor, entries: readonly Entry[], eventsPerRead: number): number {
  const mean = (of: (entry: Entry) => number) => sumOf(entries, of) / entries.length;
  const events = eventsPerRead / mean((entry) => entry.events);
  const fits = Math.min(events, readBytes / Math.max(bytesEach, mean(bytesOf)));
  return Math.min(most, growth * count, Math.max(1, Math.round(fits)));
}

export function sumOf(entries: readonly Entry[], of: (entry: Entry) => number): number {
  let sum = 0;
  for (const entry of entries) sum += of(entry);
  return sum;
}
