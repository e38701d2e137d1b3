import type { Run } from "./measure.ts";
import type { Memory } from "./memory.ts";
import type { Versions } from "./stack.ts";

/** A measurement's line, as the contract has it. */
export type Line =
  | SpeedLine
  | ({ readonly name: "memory"; readonly versions: Versions } & (Memory | { readonly missing: string }));

export interface SpeedLine {
  readonly name: string;
  readonly eventsPerSecond: { readonly min: number; readonly median: number; readonly max: number };
  /** Our median over theirs: more than 1 is faster than they are. */
  readonly vs: Readonly<Record<string, number>>;
  /** The most memory that the process had in any run. */
  readonly rssBytes?: number;
  /** Median of the processor time of the process alone, microseconds an event. */
  readonly cpuMicrosPerEvent?: number;
  readonly events: number;
  readonly runs: number;
  readonly versions: Versions;
}

/** What each of ours is compared with, where it ran. */
const rivals: Readonly<Record<string, readonly string[]>> = {
  "frames": ["raw-limit", "hand-loop-1000", "hand-loop-5000"],
  "plain": ["raw-limit", "hand-loop-1000", "hand-loop-5000"],
};
/** No pipeline can be faster than the slower one of these. */
const rawLimits = ["raw-read", "raw-insert"] as const;

/** Sums the runs up: a line a measurement. */
export function toLines(
  runs: ReadonlyMap<string, readonly Run[]>,
  about: { readonly events: number; readonly versions: Versions },
): readonly SpeedLine[] {
  const medians = new Map([...runs].map(([name, all]) => [name, medianOf(speeds(all))] as const));
  const raw = rawLimits.map((name) => medians.get(name) ?? Number.NaN);
  const rawLimit = Math.min(...raw);
  if (!Number.isNaN(rawLimit)) medians.set("raw-limit", rawLimit);
  return [...runs].map(([name, all]) => {
    const sorted = speeds(all);
    const median = medianOf(sorted);
    const vs = (rivals[name] ?? []).flatMap((rival) => {
      const theirs = medians.get(rival);
      return theirs === undefined ? [] : [[rival, Math.round((median / theirs) * 100) / 100] as const];
    });
    const rss = all.flatMap(({ rssBytes }) => rssBytes ?? []);
    const cpu = all.flatMap(({ cpuMicrosPerEvent }) => cpuMicrosPerEvent ?? []).sort((a, b) => a - b);
    return {
      name,
      eventsPerSecond: {
        min: Math.round(sorted[0] as number),
        median: Math.round(median),
        max: Math.round(sorted.at(-1) as number),
      },
      vs: Object.fromEntries(vs),
      ...(rss.length > 0 && { rssBytes: Math.max(...rss) }),
      ...(cpu.length > 0 && { cpuMicrosPerEvent: Math.round(medianOf(cpu) * 100) / 100 }),
      events: about.events,
      runs: all.length,
      versions: about.versions,
    };
  });
}

/** The same for people: a row a measurement. */
export function toRow(line: Line): Readonly<Record<string, unknown>> {
  const megabytes = (bytes: number | undefined) => (bytes === undefined ? "" : `${Math.round(bytes / 1e6)} MB`);
  if ("missing" in line) return { measurement: line.name, "events/s": line.missing };
  if ("ratio" in line) {
    const { events, rssFirstBytes, rssBytes, ratio } = line;
    return {
      measurement: line.name,
      "compared": `${megabytes(rssFirstBytes)} at first, ${ratio} times that after ${events} events`,
      memory: megabytes(rssBytes),
    };
  }
  const { name, vs, rssBytes, cpuMicrosPerEvent = "" } = line;
  const { min, median, max } = line.eventsPerSecond;
  const compared = Object.entries(vs).map(([rival, times]) => `${times} x ${rival}`);
  return {
    measurement: name,
    min,
    "events/s": median,
    max,
    "cpu µs/event": cpuMicrosPerEvent,
    memory: megabytes(rssBytes),
    compared: compared.join(", "),
  };
}

const speeds = (runs: readonly Run[]): readonly number[] =>
  runs.map(({ eventsPerSecond }) => eventsPerSecond).sort((a, b) => a - b);

function medianOf(sorted: readonly number[]): number {
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
