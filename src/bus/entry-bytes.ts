import type { Entry } from "./port.ts";

/** What the values of an entry measure, bytes; 0 where it was trimmed. */
export function bytesOf({ fields = [] }: Pick<Entry, "fields">): number {
  let bytes = 0;
  for (const value of fields) bytes += value.length;
  return bytes;
}
