import { beforeOf } from "./before.ts";
import { comparison, medianOf, rounded } from "./figures.ts";
import { type LatencyLine, toLatencyRow } from "./latency-report.ts";
import type { Run } from "./measure.ts";
import type { Memory } from "./memory.ts";
import { peers } from "./peers.ts";
import type { Versions } from "./stack.ts";
import type { StateSize } from "./state-size.ts";

/** A measurement's line, as the contract has it. */
export type Line =
  | SpeedLine
  | LatencyLine
  | ({ readonly name: "memory"; readonly versions: Versions } & Memory)
  | ({ readonly name: "state-size"; readonly versions: Versions } & StateSize)
  | { readonly name: string; readonly missing: string };

export interface SpeedLine {
  readonly name: string;
  readonly eventsPerSecond: { readonly min: number; readonly median: number; readonly max: number };
  /** Our median over theirs: more than 1 is faster than they are. */
  readonly vs: Readonly<Record<string, number>>;
  /** The median of our ratios to theirs, round by round: a machine whose speed drifts moves both halves of a round. */
  readonly byRound: Readonly<Record<string, number>>;
  /** The most memory that it had in any run. */
  readonly rssBytes?: number;
  /** Median of the processor time of its processes alone, microseconds an event. */
  readonly cpuMicrosPerEvent?: number;
  /** Median of what Redis was sent for each event, bytes. */
  readonly redisBytesPerEvent: number;
  readonly events: number;
  readonly runs: number;
  readonly versions: Versions;
}

const others = [
  "raw-limit",
  "hand-loop-1000",
  "hand-loop-5000",
  "hand-loop-20000",
  "hand-loop-ahead-20000",
  ...peers.flatMap(({ contestant }) => (contestant.makesRows ? [contestant.name] : [])),
];
/** What each of ours is compared with, where it ran. */
const rivals: Readonly<Record<string, readonly string[]>> = {
  "frames": [...others, beforeOf("frames")],
  "plain": [...others, beforeOf("plain")],
  "plain-no-names": ["plain", beforeOf("plain")],
  "workers-2": ["workers-1"],
  "workers-1-heard": ["workers-1"],
  "partitions-64": ["partitions-8"],
  "fold": ["frames"],
  "reference-app": ["frames"],
  "tumbling": ["frames", "bytewax"],
  "tumbling-plain": ["plain", "bytewax"],
  "starts": ["plain-starts"],
  "publish-frames": ["publish-plain"],
};
/** No pipeline can be faster than the slower one of these. */
const rawLimits = ["raw-read", "raw-insert"] as const;
/** More inserts in flight than ours; counted as the limit where it is the higher one. */
const rawInsertTwo = "raw-insert-2";

/** Sums the runs up: a line a measurement. */
export function toLines(
  runs: ReadonlyMap<string, readonly Run[]>,
  about: { readonly events: number; readonly versions: Versions },
): readonly SpeedLine[] {
  const measured = [...runs].filter(([, all]) => all.length > 0);
  const medians = new Map(measured.map(([name, all]) => [name, medianOf(speeds(all))] as const));
  const raw = rawLimits.map((name) => {
    const median = medians.get(name) ?? Number.NaN;
    return name === "raw-insert" ? Math.max(median, medians.get(rawInsertTwo) ?? 0) : median;
  });
  const rawLimit = Math.min(...raw);
  if (!Number.isNaN(rawLimit)) medians.set("raw-limit", rawLimit);
  // The stream of `frames` has as many.
  const frames = medians.get("frames");
  if (frames !== undefined) medians.set("partitions-8", frames);
  return measured.map(([name, all]) => {
    const sorted = speeds(all);
    const median = medianOf(sorted);
    const vs = (rivals[name] ?? []).flatMap((rival) => {
      const theirs = medians.get(rival);
      return theirs === undefined ? [] : [[rival, rounded(median / theirs, 100)] as const];
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
      byRound: roundByRound(name, runs),
      ...(rss.length > 0 && { rssBytes: Math.max(...rss) }),
      redisBytesPerEvent: Math.round(medianOf(all.map((run) => run.redisBytesPerEvent).sort((a, b) => a - b))),
      ...(cpu.length > 0 && { cpuMicrosPerEvent: rounded(medianOf(cpu), 100) }),
      events: about.events,
      runs: all.length,
      versions: about.versions,
    };
  });
}

/** The median of the ratios to each rival, round by round. */
function roundByRound(name: string, runs: ReadonlyMap<string, readonly Run[]>): Readonly<Record<string, number>> {
  const ours = runs.get(name) ?? [];
  return Object.fromEntries(
    (rivals[name] ?? []).flatMap((rival) => {
      const theirs = runs.get(rival) ?? [];
      const ratios = ours.slice(0, theirs.length).map((run, i) => run.eventsPerSecond / (theirs[i] as Run).eventsPerSecond);
      return ratios.length === 0 ? [] : [[rival, rounded(medianOf(ratios.sort((x, y) => x - y)), 100)]];
    }),
  );
}

/** The same for people: a row a measurement. */
export function toRow(line: Line): Readonly<Record<string, unknown>> {
  const megabytes = (bytes: number | undefined) => (bytes === undefined ? "" : `${Math.round(bytes / 1e6)} MB`);
  if ("missing" in line) return { measurement: line.name, missing: line.missing };
  if ("rate" in line) return toLatencyRow(line);
  if ("ratio" in line) {
    const { events, rssFirstBytes, rssBytes, ratio } = line;
    return { measurement: line.name, "at first": megabytes(rssFirstBytes), "at the end": megabytes(rssBytes), ratio, events };
  }
  if ("restart" in line) {
    const { keys, stateBytes, restart } = line;
    const caches = Object.entries(line.rssBytes).map(([cache, rss]) => [`worker, cache ${cache} MB`, megabytes(rss)]);
    const states = { "measurement": line.name, keys, "in Redis": megabytes(stateBytes), ...Object.fromEntries(caches) };
    return { ...states, "read after a restart": `${restart.bytesReadPerEvent} B/event` };
  }
  const { name, vs, rssBytes, cpuMicrosPerEvent = "", redisBytesPerEvent } = line;
  const { min, median, max } = line.eventsPerSecond;
  return {
    measurement: name,
    min,
    "events/s": median,
    max,
    "cpu µs/event": cpuMicrosPerEvent,
    "to Redis": `${redisBytesPerEvent} B/event`,
    memory: megabytes(rssBytes),
    compared: comparison(vs),
  };
}

const speeds = (runs: readonly Run[]): readonly number[] =>
  runs.map(({ eventsPerSecond }) => eventsPerSecond).sort((a, b) => a - b);
