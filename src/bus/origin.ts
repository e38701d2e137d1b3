import type { Fields } from "./fields.ts";
import { isReplayLog } from "./partition.ts";

/**
 * The field, the last one, that each entry of a replay log has beside the fields it is a copy of: `<log>\n<entry id>` of the entry
 * that was read first, and `\n<index>` for an event that came out of a frame. Ids and times that an event has from its entry are
 * taken from there, so they stay the same however often it is replayed. Nothing but a replay log may use the name.
 */
export const originField = "hr:origin";

/** Where an entry was read first. */
export interface Origin {
  readonly log: string;
  readonly entry: string;
  /** The entry holds one event that came out of a frame, to which the limits of plain entries do not apply. */
  readonly framed: boolean;
}

/** The origin of entry `entry` of the Redis stream `log`: itself, or what it is a copy of. */
export function originOf(log: string, entry: string, fields: Fields): Origin {
  const value = isReplayLog(log) ? fields.get(originField) : undefined;
  const [firstLog, firstEntry, index] = value ? String(value).split("\n") : [];
  if (firstLog === undefined || firstEntry === undefined) return { log, entry, framed: false };
  return { log: firstLog, entry: firstEntry, framed: index !== undefined };
}
