/** What `headrace bench` runs. See README.md in this folder. */
import { availableParallelism, loadavg } from "node:os";
import { makeLogins } from "./data.ts";
import { frames } from "./frames.ts";
import { handLoop } from "./hand-loop.ts";
import { type Bench, type Contestant, measureOnce, type Run } from "./measure.ts";
import { measureMemory } from "./memory.ts";
import { plain } from "./plain.ts";
import { rawInsert, rawRead } from "./raw-limits.ts";
import { type Line, toLines, toRow } from "./report.ts";
import { openStack } from "./stack.ts";

const contestants: readonly Contestant[] = [frames, plain, handLoop(1_000), handLoop(5_000), rawRead, rawInsert];

/** The names that `--only` takes. `memory` takes minutes, and runs only when it is asked for. */
export const measurements: readonly string[] = [...contestants.map(({ name }) => name), "memory"];

export interface BenchOptions {
  /** Some of `measurements`; all but `memory` where it is left out. */
  readonly only?: readonly string[] | undefined;
  readonly runs: number;
  /** Events of a run. @default 1,000,000; 10,000,000 for `memory` */
  readonly events?: number | undefined;
  /** A directory for CPU profiles of the measured processes. */
  readonly profileDir?: string | undefined;
  readonly signal: AbortSignal;
}

export interface BenchDeps {
  readonly say: (text: string) => void;
  /** Takes each line, and the same as a row of a table for people. */
  readonly print: (lines: readonly { readonly line: object; readonly row: Readonly<Record<string, unknown>> }[]) => void;
}

/** Measures, and prints what came of it when all runs are over. Rejects with the signal's reason when it aborts. */
export async function runBench(
  { only, runs, events, profileDir, signal }: BenchOptions,
  { say, print }: BenchDeps,
): Promise<void> {
  const isWanted = (name: string) => (only === undefined ? name !== "memory" : only.includes(name));
  const [load = 0] = loadavg();
  if (load > availableParallelism() / 2)
    say(`This machine is busy (load ${load.toFixed(1)}): the figures will be lower than it can do.`);
  say("Starting Redis and ClickHouse, and making the tables.");
  const stack = await openStack();
  const lines: Line[] = [];
  try {
    const wanted = contestants.filter(({ name }) => isWanted(name));
    if (wanted.length > 0) {
      const bench: Bench = { stack, events: makeLogins(events ?? 1_000_000), profileDir, signal };
      lines.push(
        ...toLines(await interleave(wanted, bench, { runs, say }), { events: bench.events.length, versions: stack.versions }),
      );
    }
    if (isWanted("memory")) {
      const memory = await measureMemory({ stack, profileDir, signal }, { events: events ?? 10_000_000, say });
      const told = memory ?? { missing: "needs Linux, which tells in /proc how much memory a process has" };
      lines.push({ name: "memory", ...told, versions: stack.versions });
    }
  } finally {
    await stack.close();
  }
  print(lines.map((line) => ({ line, row: toRow(line) })));
}

/** Every round runs each of them once, and begins with another one: what a neighbour leaves behind falls on all alike. */
async function interleave(
  wanted: readonly Contestant[],
  bench: Bench,
  { runs, say }: { readonly runs: number; readonly say: (text: string) => void },
): Promise<ReadonlyMap<string, readonly Run[]>> {
  const results = new Map<string, Run[]>(wanted.map(({ name }) => [name, []]));
  for (let round = 0; round < runs; round++) {
    for (let place = 0; place < wanted.length; place++) {
      const contestant = wanted[(round + place) % wanted.length] as Contestant;
      bench.signal.throwIfAborted();
      const run = await measureOnce(contestant, bench);
      results.get(contestant.name)?.push(run);
      say(`run ${round + 1} of ${runs}: ${contestant.name} ${Math.round(run.eventsPerSecond).toLocaleString("en")} events/s`);
    }
  }
  return results;
}
