import { setTimeout as sleep } from "node:timers/promises";
import { type Child, cpuSeconds, residentBytes } from "./child.ts";
import type { Login } from "./data.ts";
import type { BenchStack } from "./stack.ts";

/** What every measurement is given. */
export interface Bench {
  readonly stack: BenchStack;
  /** The same logins for all. */
  readonly events: readonly Login[];
  /** Where CPU profiles of the measured processes go. */
  readonly profileDir: string | undefined;
  readonly signal: AbortSignal;
}

/** Who does the whole job on its own, or the part of it that a raw limit is of. */
export interface Contestant {
  readonly name: string;
  /** The contestant that it is the measure of: run along with it. */
  readonly against?: Contestant;
  /** Puts the events where it will find them; not measured. */
  prepare(bench: Bench): Promise<void>;
  /** Resolves when it is connected and begins: the measured time starts with its ready line. */
  start(bench: Bench): Promise<Child>;
  /** How many events are done for good, acks included, as seen from outside. */
  done(bench: Bench, child: Child): Promise<number>;
  /** What peers/send.mjs is told in the environment, for latency. @default the stream of plain entries */
  readonly sendTo?: Readonly<Record<string, string>>;
  /** Whether the rows have to be there at the end. */
  readonly makesRows: boolean;
}

export interface Run {
  readonly eventsPerSecond: number;
  /** The most memory that it had. */
  readonly rssBytes: number | undefined;
  /** Processor time of its processes alone, for each event: it hardly changes when others use the machine too. */
  readonly cpuMicrosPerEvent: number | undefined;
  /** What Redis was sent for each event, bytes: reads, acks, commits. */
  readonly redisBytesPerEvent: number;
}

/** Looking costs what is measured: it is done at this part of the time that the rest will take, and at least this often. */
const pollPart = 1 / 4;
const pollMs = { min: 5, max: 250 } as const;
/** Nothing has moved for this long: something is wrong. */
const stallMs = 60_000;

/** One run: from the ready line until all events are done. The rows are counted afterwards, outside of the time. */
export async function measureOnce(contestant: Contestant, bench: Bench): Promise<Run> {
  const { stack, events } = bench;
  await stack.reset();
  await contestant.prepare(bench);
  await stack.quiet();
  const child = await contestant.start(bench);
  const cpuBefore = cpuSeconds(child.pids);
  const sentBefore = await stack.sentToRedis();
  try {
    await until(events.length, child, { look: () => contestant.done(bench, child), signal: bench.signal });
    const seconds = (performance.now() - child.readyAt) / 1_000;
    const rssBytes = residentBytes(child.pids, "VmHWM");
    const cpu = cpuBefore === undefined ? undefined : (cpuSeconds(child.pids) ?? 0) - cpuBefore;
    const redisBytesPerEvent = ((await stack.sentToRedis()) - sentBefore) / events.length;
    if (contestant.makesRows) await verify(contestant.name, bench);
    return {
      eventsPerSecond: events.length / seconds,
      rssBytes,
      cpuMicrosPerEvent: cpu && (cpu * 1e6) / events.length,
      redisBytesPerEvent,
    };
  } finally {
    await child.stop();
  }
}

/** Looks again and again until `look` says `expected`. */
export async function until(
  expected: number,
  child: Child,
  { look, signal }: { readonly look: () => Promise<number>; readonly signal: AbortSignal },
): Promise<void> {
  const began = performance.now();
  let last = -1;
  let moved = began;
  for (;;) {
    signal.throwIfAborted();
    child.check();
    const done = await look();
    if (done >= expected) return;
    const now = performance.now();
    if (done !== last) moved = now;
    last = done;
    if (now - moved > stallMs) throw new Error(`nothing has moved for ${stallMs / 1_000} s at ${done} of ${expected} events`);
    const restMs = done > 0 ? ((now - began) / done) * (expected - done) : 0;
    await sleep(Math.min(pollMs.max, Math.max(pollMs.min, restMs * pollPart)));
  }
}

const prints = new WeakMap<object, unknown>();

/** The rows must be as many as the events, and those that the first contestant made: all do the same job. */
async function verify(name: string, { stack, events }: Bench): Promise<void> {
  const columns = "event_id, user_id, outcome, at, ip, session_id, method, reason, device, country";
  const [found] = await stack.query(
    `SELECT count() AS rows, toString(groupBitXor(cityHash64(${columns}))) AS print FROM login_events FINAL`,
  );
  if (Number(found?.["rows"]) !== events.length) throw new Error(`${name}: ${events.length} events made ${found?.["rows"]} rows`);
  const print = prints.get(events) ?? found?.["print"];
  prints.set(events, print);
  if (print !== found?.["print"]) throw new Error(`${name}: its rows differ from those of the others`);
}
