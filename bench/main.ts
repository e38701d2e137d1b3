/** What `headrace bench` runs. See README.md in this folder. */
import { availableParallelism, loadavg } from "node:os";
import { makeLogins } from "./data.ts";
import { handLoop, handLoopAhead } from "./hand-loop.ts";
import { interleave, type Measured, noResults } from "./interleave.ts";
import { latencyOf } from "./latency.ts";
import { toLatencyLines } from "./latency-report.ts";
import { type Bench, type Contestant, measureOnce, type Run } from "./measure.ts";
import { measureMemory } from "./memory.ts";
import { lookForPeers, peers } from "./peers.ts";
import { plain, plainLowLatency } from "./plain.ts";
import { publishingOf, publishings } from "./publishing.ts";
import { type Line, toLines, toRow } from "./report.ts";
import { contestantsOf, isWanted, measurements, startersOf } from "./selection.ts";
import { openStack } from "./stack.ts";
import { startsOfARun } from "./starts.ts";
import { measureStateSize } from "./state-size.ts";

export { measurements };

export interface BenchOptions {
  /** Some of `measurements`; all but `memory` and `state-size` where it is left out. */
  readonly only?: readonly string[] | undefined;
  readonly runs: number;
  /** Events of a run. @default 1,000,000; 10,000,000 for `memory`; keys of `state-size` */
  readonly events?: number | undefined;
  /** Another checkout of Headrace, built: frames and plain are measured with its workers too. */
  readonly before?: string | undefined;
  /** A directory for CPU profiles of the measured processes. */
  readonly profileDir?: string | undefined;
  readonly signal: AbortSignal;
}

export interface BenchDeps {
  readonly say: (text: string) => void;
  /** Takes lines of one kind, each with the same as a row of a table for people. */
  readonly print: (lines: readonly { readonly line: object; readonly row: Readonly<Record<string, unknown>> }[]) => void;
}

/**
 * Measures, and prints each kind of measurement as soon as its runs are over; where one fails or is aborted, what came of the runs before
 * it. Rejects then, and with the signal's reason when it aborts.
 */
export async function runBench(
  { only, runs, events, before, profileDir, signal }: BenchOptions,
  { say, print }: BenchDeps,
): Promise<void> {
  const wants = (name: string) => isWanted(name, only);
  const found = lookForPeers(
    peers.filter(({ contestant }) => wants(contestant.name) || (wants("latency") && contestant.makesRows)),
  );
  for (const { name, missing } of found.missing) say(`${name} is not there, and is left out: ${missing}`);
  const [load = 0] = loadavg();
  if (load > availableParallelism() / 2)
    say(`This machine is busy (load ${load.toFixed(1)}): the figures will be lower than it can do.`);
  say("Starting Redis and ClickHouse, and making the tables.");
  const stack = await openStack();
  const versions = { ...stack.versions, ...found.versions };
  const tellLines = (lines: readonly Line[]) => print(lines.map((line) => ({ line, row: toRow(line) })));
  const tellSpeeds = async (all: readonly Measured<Run>[], about: number) => {
    const results = noResults(all);
    try {
      await interleave(all, { runs, say, signal }, results);
    } finally {
      tellLines(toLines(results, { events: about, versions }));
    }
  };
  try {
    const absent = new Set(found.missing.map(({ name }) => name));
    const wanted = contestantsOf(only, before).filter(({ name }) => !absent.has(name));
    const count = events ?? 1_000_000;
    const needsEvents = wanted.length > 0 || publishings.some(wants);
    const bench: Bench = { stack, events: needsEvents ? makeLogins(count) : [], profileDir, signal };
    await tellSpeeds(wanted.map(speedOf(bench)), count);
    await tellSpeeds(publishingOf(bench, wants), count);

    const starting = { ...bench, events: makeLogins(startsOfARun) };
    await tellSpeeds(startersOf(only).map(speedOf(starting)), startsOfARun);

    if (wants("latency")) {
      const ours = [
        { contestant: plain, profile: "default" },
        { contestant: plainLowLatency, profile: "low-latency" },
      ];
      const rivals = [
        handLoop(1_000),
        handLoopAhead(20_000),
        ...found.present.map(({ contestant }) => contestant).filter(({ makesRows }) => makesRows),
      ];
      const cases = latencyOf([...ours, ...rivals.map((contestant) => ({ contestant, profile: undefined }))], bench, count);
      const results = await interleave(cases, { runs, say, signal });
      tellLines(
        toLatencyLines(
          cases.map((one) => ({ ...one, runs: results.get(one.name) ?? [] })),
          versions,
        ),
      );
    }
    if (wants("memory")) {
      const memory = await measureMemory({ stack, profileDir, signal }, { events: events ?? 10_000_000, say });
      tellLines([{ name: "memory", ...(memory ?? needsLinux), versions }]);
    }
    if (wants("state-size")) {
      const size = await measureStateSize({ stack, profileDir, signal }, { keys: events ?? 1_000_000, say });
      tellLines([{ name: "state-size", ...(size ?? needsLinux), versions }]);
    }
  } finally {
    await stack.close();
  }
  tellLines(found.missing);
}

const needsLinux = { missing: "needs Linux, which tells in /proc how much memory a process has" };

const speedOf = (bench: Bench) => (contestant: Contestant) => ({
  name: contestant.name,
  measure: () => measureOnce(contestant, bench),
  tell: ({ eventsPerSecond }: { readonly eventsPerSecond: number }) =>
    `${Math.round(eventsPerSecond).toLocaleString("en")} events/s`,
});
