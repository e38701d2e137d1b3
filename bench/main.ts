/** What `headrace bench` runs. See README.md in this folder. */
import { availableParallelism, loadavg } from "node:os";
import { makeLogins } from "./data.ts";
import { handLoop } from "./hand-loop.ts";
import { interleave } from "./interleave.ts";
import { latencyOf } from "./latency.ts";
import { toLatencyLines } from "./latency-report.ts";
import { type Bench, type Contestant, measureOnce } from "./measure.ts";
import { measureMemory } from "./memory.ts";
import { lookForPeers, peers } from "./peers.ts";
import { plain, plainLowLatency } from "./plain.ts";
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
  /** A directory for CPU profiles of the measured processes. */
  readonly profileDir?: string | undefined;
  readonly signal: AbortSignal;
}

export interface BenchDeps {
  readonly say: (text: string) => void;
  /** Takes lines of one kind, each with the same as a row of a table for people. */
  readonly print: (lines: readonly { readonly line: object; readonly row: Readonly<Record<string, unknown>> }[]) => void;
}

/** Measures, and prints what came of it when all runs are over. Rejects with the signal's reason when it aborts. */
export async function runBench(
  { only, runs, events, profileDir, signal }: BenchOptions,
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
  const kinds: (readonly Line[])[] = [];
  try {
    const absent = new Set(found.missing.map(({ name }) => name));
    const wanted = contestantsOf(only).filter(({ name }) => !absent.has(name));
    const count = events ?? 1_000_000;
    const bench: Bench = { stack, events: wanted.length > 0 ? makeLogins(count) : [], profileDir, signal };
    const speeds = await interleave(wanted.map(speedOf(bench)), { runs, say, signal });
    kinds.push(toLines(speeds, { events: count, versions }));

    const starting = { ...bench, events: makeLogins(startsOfARun) };
    const begun = await interleave(startersOf(only).map(speedOf(starting)), { runs, say, signal });
    kinds.push(toLines(begun, { events: startsOfARun, versions }));

    if (wants("latency")) {
      const ours = [
        { contestant: plain, profile: "default" },
        { contestant: plainLowLatency, profile: "low-latency" },
      ];
      const rivals = [handLoop(1_000), ...found.present.map(({ contestant }) => contestant).filter(({ makesRows }) => makesRows)];
      const cases = latencyOf([...ours, ...rivals.map((contestant) => ({ contestant, profile: undefined }))], bench, count);
      const results = await interleave(cases, { runs, say, signal });
      kinds.push(
        toLatencyLines(
          cases.map((one) => ({ ...one, runs: results.get(one.name) ?? [] })),
          versions,
        ),
      );
    }
    if (wants("memory")) {
      const memory = await measureMemory({ stack, profileDir, signal }, { events: events ?? 10_000_000, say });
      kinds.push([{ name: "memory", ...(memory ?? needsLinux), versions }]);
    }
    if (wants("state-size")) {
      const size = await measureStateSize({ stack, profileDir, signal }, { keys: events ?? 1_000_000, say });
      kinds.push([{ name: "state-size", ...(size ?? needsLinux), versions }]);
    }
  } finally {
    await stack.close();
  }
  kinds.push(found.missing);
  for (const lines of kinds) print(lines.map((line) => ({ line, row: toRow(line) })));
}

const needsLinux = { missing: "needs Linux, which tells in /proc how much memory a process has" };

const speedOf = (bench: Bench) => (contestant: Contestant) => ({
  name: contestant.name,
  measure: () => measureOnce(contestant, bench),
  tell: ({ eventsPerSecond }: { readonly eventsPerSecond: number }) =>
    `${Math.round(eventsPerSecond).toLocaleString("en")} events/s`,
});
