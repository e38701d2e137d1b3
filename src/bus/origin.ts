import { uuidOf } from "../core/hash.ts";
import type { Fields } from "./fields.ts";

/**
 * The field, the last one, that each entry of a replay log has beside the fields it is a copy of: `<log>\n<entry id>` of the entry
 * that was read first, and `\n<index>` for an event that came out of a frame. Ids and times that an event has from its entry are
 * taken from there, so they stay the same however often it is replayed. The name is reserved: no producer writes it.
 */
export const originField = "hr:origin";

/** Where an entry was read first. */
export interface Origin {
  readonly log: string;
  readonly entry: string;
}

/** The origin of entry `entry` of the Redis stream `log`: itself, unless it is a copy. */
export function originOf(log: string, entry: string, fields: Fields): Origin {
  const value = fields.get(originField);
  if (!value) return { log, entry };
  const [firstLog, firstEntry] = String(value).split("\n");
  return firstLog === undefined || firstEntry === undefined ? { log, entry } : { log: firstLog, entry: firstEntry };
}

/** The id of what an entry holds where that has none of its own. */
export const idOfEntry = ({ log, entry }: Origin): string => uuidOf(`${log}\n${entry}`);
