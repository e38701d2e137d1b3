import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../../src/core/errors.ts";
import { afterUs } from "../support/after-us.ts";
import { redisVersion } from "../support/redis-version.ts";
import type { Fault } from "./fault.ts";
import { clickhouseFaults } from "./faults/clickhouse.ts";
import { eventFaults } from "./faults/events.ts";
import { goingBackFaults } from "./faults/going-back.ts";
import { hostFaults } from "./faults/hosts.ts";
import { keyedStateFaults } from "./faults/keyed-state.ts";
import { naiveFaults } from "./faults/naive.ts";
import { producerFaults } from "./faults/producers.ts";
import { redisFaults } from "./faults/redis.ts";
import { sagaFaults } from "./faults/sagas.ts";
import { workerFaults } from "./faults/workers.ts";
import { leaseMsOf, openRig, placingApp } from "./rig.ts";
import { type BreakableService, startClickHouse } from "./services.ts";
import { judgeTakeovers, type Takeover } from "./takeover.ts";
import { undisturbedClock } from "./undisturbed.ts";
import { Untried } from "./untried.ts";
import { type Expectation, judge, type Outputs, readOutputs } from "./verify.ts";

/** The longest first: they wait for leases, while others work. */
export const faults: readonly Fault[] = [
  ...sagaFaults,
  ...keyedStateFaults,
  ...goingBackFaults,
  ...[...eventFaults].reverse(),
  ...hostFaults,
  ...workerFaults,
  ...redisFaults,
  ...clickhouseFaults,
  ...producerFaults,
  ...naiveFaults,
];

/** Those of the short form. */
export const shortFaults = faults.filter(({ wholeOnly = false }) => !wholeOnly);

/** A seed that nobody has chosen: every run tries another one, and tells which. */
export const drawSeed = (): string => String(randomInt(2 ** 32));

/** How long one fault may take, on a machine of its own, before what it left is looked at: something waits for what never happens. */
const limitsMs = { short: 240_000, whole: 1_500_000 } as const;

/** What came of one fault. */
export interface Result {
  readonly name: string;
  readonly seed: string;
  readonly passed: boolean;
  /** What does not hold, in sentences. */
  readonly faults: readonly string[];
  /** Why nothing could be tried on this machine. */
  readonly untried: string | undefined;
  readonly outputs: Outputs | undefined;
  /** From the kill of an owner until living workers own every partition. */
  readonly takeoversMs: readonly number[];
  readonly notes: readonly string[];
  /** Of a failure: what workers said last, and events out of their turn. */
  readonly evidence: readonly string[];
  readonly seconds: number;
}

export interface Suite {
  /** Where the services keep their data and logs. */
  readonly directory: string;
  readonly versions: Versions;
  /** The result of each fault, in the order in which they were asked for. */
  readonly results: ReadonlyMap<string, Promise<Result>>;
  close(): Promise<void>;
}

export interface Versions {
  readonly node: string;
  readonly redis: string;
  readonly clickhouse: string;
  readonly headrace: string;
  readonly appendFsync: string;
}

export interface SuiteOptions {
  readonly wanted: readonly Fault[];
  readonly seed: string;
  readonly whole: boolean;
  /** Faults at a time: they spend most of their time waiting for leases. */
  readonly lanes: number;
  /** Leave the services' data and logs where they are, to look into a failure. */
  readonly keep?: boolean;
}

/** Starts what the faults share, and the faults. */
export async function startSuite({ wanted, seed, whole, lanes, keep = false }: SuiteOptions): Promise<Suite> {
  const directory = await mkdtemp(join(tmpdir(), "headrace-chaos-"));
  // What is mounted there goes at the same time.
  const callOff = keep ? () => {} : afterUs('for _ in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$1" && exit; sleep 1; done', directory);
  const clickhouse = await startClickHouse(directory);
  const waiting = [...wanted];
  const results = new Map<string, Promise<Result>>();
  const settle = new Map<string, (result: Result) => void>();
  for (const { name } of wanted) results.set(name, new Promise((resolve) => settle.set(name, resolve)));
  const lane = async () => {
    for (let fault = waiting.shift(); fault; fault = waiting.shift()) {
      settle.get(fault.name)?.(await inject(fault, { seed: `${seed}/${fault.name}`, whole, clickhouse, directory }));
    }
  };
  const running = Promise.all(Array.from({ length: lanes }, lane));
  return {
    directory,
    versions: await versionsOf(clickhouse),
    results,
    close: async () => {
      waiting.length = 0;
      await running;
      await clickhouse.close();
      callOff();
      if (!keep) await rm(directory, { recursive: true, force: true });
    },
  };
}

async function inject(
  fault: Fault,
  { seed, whole, clickhouse, directory }: { seed: string; whole: boolean; clickhouse: BreakableService; directory: string },
): Promise<Result> {
  const since = performance.now();
  const notes: string[] = [];
  const failures: string[] = [];
  let outputs: Outputs | undefined;
  let evidence: readonly string[] = [];
  let untried: string | undefined;
  let takeovers: readonly Takeover[] = [];
  try {
    const rig = await openRig({
      ...{ seed, whole, directory: join(directory, fault.name), note: (text) => void notes.push(text) },
      app: fault.app ?? placingApp,
      ...{ clickhouse: fault.ownClickHouse ? "own" : clickhouse, hosts: fault },
    });
    takeovers = rig.takeovers;
    try {
      const expectation = await Promise.race([fault.run(rig), endless(fault, whole)]).catch(
        (error): Expectation => ({ faults: [messageOf(error)] }),
      );
      const isLookedAt = fault.app !== undefined;
      outputs = isLookedAt ? expectation?.outputs : await readOutputs(rig, expectation?.unsettled ?? (await rig.drained()));
      failures.push(...(outputs ? judge(outputs, expectation ?? {}) : (expectation?.faults ?? [])));
      failures.push(...judgeTakeovers(takeovers, leaseMsOf({ whole })));
      if (failures.length > 0) evidence = await rig.evidence();
    } finally {
      await rig.close();
    }
  } catch (error) {
    if (error instanceof Untried) untried = error.message;
    else failures.push(messageOf(error));
  }
  const seconds = Math.round((performance.now() - since) / 100) / 10;
  return {
    name: fault.name,
    seed,
    passed: failures.length === 0,
    faults: failures,
    untried,
    outputs,
    takeoversMs: takeovers.map(({ ms }) => ms),
    notes,
    evidence,
    seconds,
  };
}

async function endless({ name }: Fault, whole: boolean): Promise<never> {
  const limitMs = whole ? limitsMs.whole : limitsMs.short;
  for (const spent = undisturbedClock(); spent() < limitMs; ) await sleep(1_000, undefined, { ref: false });
  throw new Error(`${name} did not come to its end within ${limitMs / 1_000} s`);
}

async function versionsOf(clickhouse: BreakableService): Promise<Versions> {
  const answer = await fetch(`http://127.0.0.1:${clickhouse.port}/?query=SELECT+version()`);
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };
  return {
    node: process.versions.node,
    redis: await redisVersion(),
    clickhouse: (await answer.text()).trim(),
    headrace: version,
    appendFsync: "always",
  };
}
