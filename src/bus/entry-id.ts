/** Whether entry id `a` comes before `b`. Ids are `<milliseconds>-<sequence>`. */
export function isBefore(a: string, b: string): boolean {
  const [aMs = "0", aSeq = "0"] = a.split("-");
  const [bMs = "0", bSeq = "0"] = b.split("-");
  return aMs === bMs ? Number(aSeq) < Number(bSeq) : Number(aMs) < Number(bMs);
}

/**
 * When an entry was stored, milliseconds since the epoch, by the id that Redis gave it. `undefined` where the id is no time: whoever
 * writes an entry may give it any, such as 1-1.
 */
export function timeOfEntry(id: string): number | undefined {
  const ms = Number.parseInt(id, 10);
  // From 2001 to 2286: seconds and microseconds lie outside.
  return ms >= 1e12 && ms < 1e13 ? ms : undefined;
}

/** How long ago an entry was stored by the clock `now`, milliseconds; 0 where its id is no time, or one that has not come yet. */
export const ageOf = (id: string | undefined, now: number): number =>
  id === undefined ? 0 : Math.max(0, now - (timeOfEntry(id) ?? now));
