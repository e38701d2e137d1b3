import { comparison, medianOf, rounded } from "./figures.ts";
import type { LatencyRun } from "./latency.ts";
import type { Versions } from "./stack.ts";

/** Who ran, at which rate, and what came of it. */
export interface LatencyRuns {
  /** The contestant's name. */
  readonly of: string;
  /** Where it is one of ours: how its sink cuts batches. */
  readonly profile: string | undefined;
  readonly rate: number;
  readonly runs: readonly LatencyRun[];
}

export interface LatencyLine {
  readonly name: "latency";
  /** Ours. */
  readonly profile?: string;
  /** A rival's name. */
  readonly of?: string;
  readonly rate: number;
  /** Medians of the runs; `maxMs` is the most of any. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly insertsPerSecond: number;
  /** Our p99 over theirs: less than 1 is sooner than they are. */
  readonly vs: Readonly<Record<string, number>>;
  /** The most of any run. */
  readonly senderLateMs: number;
  readonly runs: number;
  readonly versions: Versions;
}

/** Sums the runs up: a line for each contestant and rate. Ours are compared with the rivals at the same rate. */
export function toLatencyLines(all: readonly LatencyRuns[], versions: Versions): readonly LatencyLine[] {
  return all.map(({ of, profile, rate, runs }) => {
    const p99Ms = median(runs, "p99Ms");
    const rivals = profile === undefined ? [] : all.filter((other) => other.profile === undefined && other.rate === rate);
    return {
      name: "latency",
      ...(profile === undefined ? { of } : { profile }),
      rate,
      p50Ms: rounded(median(runs, "p50Ms"), 10),
      p99Ms: rounded(p99Ms, 10),
      maxMs: rounded(most(runs, "maxMs"), 10),
      insertsPerSecond: rounded(median(runs, "insertsPerSecond"), 10),
      vs: Object.fromEntries(rivals.map((rival) => [rival.of, rounded(p99Ms / median(rival.runs, "p99Ms"), 100)])),
      senderLateMs: rounded(most(runs, "senderLateMs"), 10),
      runs: runs.length,
      versions,
    };
  });
}

/** The same for people. */
export function toLatencyRow(line: LatencyLine): Readonly<Record<string, unknown>> {
  return {
    "latency of": line.of ?? `headrace, ${line.profile}`,
    "events/s": line.rate,
    "p50 ms": line.p50Ms,
    "p99 ms": line.p99Ms,
    "max ms": line.maxMs,
    "inserts/s": line.insertsPerSecond,
    "p99 compared": comparison(line.vs),
  };
}

const values = (runs: readonly LatencyRun[], field: keyof LatencyRun) => runs.map((run) => run[field]).sort((a, b) => a - b);
const median = (runs: readonly LatencyRun[], field: keyof LatencyRun) => medianOf(values(runs, field));
const most = (runs: readonly LatencyRun[], field: keyof LatencyRun) => Math.max(...values(runs, field));
