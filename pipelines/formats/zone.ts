const dayMs = 86_400_000;
const quarterMs = 900_000;
/** A log goes forward: one that steps back by more than this, in the hour that comes twice, has come to that hour's second pass. */
const disorderMs = 300_000;

/** Local time to time, both in milliseconds. `newest` is the newest time that the log has told so far. */
export type LocalToTime = (local: number, newest: number | undefined) => number;

/**
 * Reads local times of a zone.
 *
 * - Where the clock is put back, an hour comes twice: it is the first one, until the log steps back by more than five minutes.
 * - Where it is put forward, an hour does not exist: a time in it is read as if the clock had not been moved yet.
 *
 * @throws RangeError where there is no such zone
 */
export function zoneTimes(zone = "UTC"): LocalToTime {
  if (zone === "UTC") return (local) => local;
  const offsetAt = offsets(zone);
  return (local, newest) => {
    const before = offsetAt(local - dayMs);
    const after = offsetAt(local + dayMs);
    if (before === after) return local - before;
    const candidates = [before, after]
      .map((offset) => local - offset)
      .filter((time) => offsetAt(time) === local - time)
      .sort((one, other) => one - other);
    const [first = local - before, second = first] = candidates;
    if (first === second || newest === undefined) return first;
    const isBehind = offsetAt(newest) === local - second || first < newest - disorderMs;
    return isBehind ? second : first;
  };
}

/** How far a zone's clock is ahead of UTC at a time. Clocks are moved at full quarters of an hour. */
function offsets(zone: string): (time: number) => number {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  const known = new Map<number, number>();
  return (time) => {
    const quarter = Math.floor(time / quarterMs);
    let offset = known.get(quarter);
    if (offset === undefined) {
      const parts = new Map(format.formatToParts(quarter * quarterMs).map(({ type, value }) => [type, Number(value)]));
      const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0;
      const local = Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"), part("second"));
      offset = local - quarter * quarterMs;
      if (known.size > 10_000) known.clear();
      known.set(quarter, offset);
    }
    return offset;
  };
}
