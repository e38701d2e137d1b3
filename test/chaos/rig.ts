import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createClient as createClickHouse } from "@clickhouse/client";
import { createClient as createRedis } from "redis";
import { deliveryLimits } from "../../src/bus/partition-log.ts";
import { createRandom, type Random } from "../demo/random.ts";
import { closeAll } from "../support/close-all.ts";
import { type Headrace, headrace, startHeadrace, tryHeadrace } from "../support/headrace.ts";
import type { Fault } from "./fault.ts";
import { FaultProxy } from "./proxy.ts";
import { type BreakableService, startClickHouse, startRedis } from "./services.ts";
import { openSetClock, type SetClock } from "./set-clock.ts";
import { mountSmallDisk, type SmallDisk } from "./small-disk.ts";
import { type Takeover, watchSlowness } from "./takeover.ts";
import { queuedMs, undisturbedClock } from "./undisturbed.ts";
import { openWorkload, type Workload } from "./workload.ts";

export const pipelineName = "chaos";
export const partitions = ["00", "01", "02", "03"] as const;
export const logOf = (partition: string): string => `hr:{logins:${partition}}:s`;
/** A stream of somebody else, which the pipeline reads as well. */
const adoptedLog = "app:logins";

/** A partition of a pipeline: it has an owner. */
interface Lane {
  readonly log: string;
  readonly group: string;
  /** What the side keys of the partition begin with. */
  readonly prefix: string;
}

/** The application that is broken. */
export interface RigApp {
  readonly directory: string;
  readonly lanes: readonly Lane[];
}

/** The suite's own: it tells for each event at what place it came. */
export const placingApp: RigApp = {
  directory: fileURLToPath(new URL("./app", import.meta.url)),
  lanes: [
    ...partitions.map((partition) => ({ log: logOf(partition), group: pipelineName, prefix: `hr:{logins:${partition}}` })),
    { log: adoptedLog, group: pipelineName, prefix: `hr:{${adoptedLog}}` },
  ],
};
export const leaseOf = ({ prefix, group }: Lane): string => `${prefix}:lease:${group}`;
/** The lease of a killed worker, milliseconds: the whole suite waits for the one that users have. */
export const leaseMsOf = ({ whole }: { readonly whole: boolean }): number => (whole ? 10_000 : 4_000);
/** Longer than the lease of a killed worker and all that it left behind take. */
const settleWithinMs = 45_000;
/** Of what each worker said, in a report of a failure. */
const linesShown = 12;

/** A worker in a process of its own, whose ways to Redis and ClickHouse lead through proxies of its own. */
export interface RigWorker extends Headrace {
  readonly instance: string;
  readonly redis: FaultProxy;
  readonly clickhouse: FaultProxy;
  /** On the clock of `performance.now()`. */
  readonly readyAt: number;
  readonly hasEnded: () => boolean;
}

/** What one fault has to itself: a Redis, a database of ClickHouse, workers, a producer, and the seed. */
export interface Rig {
  readonly seed: string;
  readonly random: Random;
  /** The whole suite, as opposed to its short form. */
  readonly whole: boolean;
  readonly redisServer: BreakableService;
  readonly clickhouseServer: BreakableService;
  readonly redis: RedisClient;
  /** Where the producer goes through. */
  readonly producerProxy: FaultProxy;
  readonly workload: Workload;
  readonly env: Readonly<Record<string, string>>;
  readonly takeovers: Takeover[];
  readonly directory: string;
  /** Where the fault asks for one. */
  readonly smallDisk: SmallDisk | undefined;
  readonly redisClock: SetClock | undefined;
  /** Adds an entry to the adopted stream, as a program without Headrace does; resolves when Redis has answered. */
  addPlain(event: object): Promise<unknown>;
  note(text: string): void;
  startWorker(env?: Readonly<Record<string, string>>): Promise<RigWorker>;
  /** Workers that have not ended, the oldest first. */
  living(): readonly RigWorker[];
  /** Counts, from now on, until living workers own every partition. */
  takeover(since: number): Promise<void>;
  /** The same, until this worker alone owns them. */
  takeoverBy(worker: RigWorker, since: number): Promise<void>;
  /** Events in the logs as they are now, by what their frames announce. */
  storedEvents(): Promise<number>;
  /** Sends at this rate until `stop`, which resolves when all of it is acknowledged. */
  flow(perSecond: number): { stop(): Promise<void> };
  /** Runs a verb of headrace; its exit code is left to the caller. */
  verb(...args: readonly string[]): ReturnType<typeof tryHeadrace>;
  migrate(env?: Readonly<Record<string, string>>): Promise<void>;
  query<Row = Readonly<Record<string, unknown>>>(sql: string): Promise<readonly Row[]>;
  command(sql: string): Promise<void>;
  owners(): Promise<readonly (string | null)[]>;
  /** Whether every log has entries that were given out and are not settled. */
  isPendingEverywhere(): Promise<boolean>;
  /**
   * Resolves when no entry was given out so often that it would be set aside after one more death. A fault that kills again and again
   * waits for it: on a slow machine its workers would make a crash loop, which is to be answered in another way.
   */
  spared(): Promise<void>;
  /** Resolves with undefined when all that is in the streams is read and settled, else with what is not. */
  drained(withinMs?: number): Promise<string | undefined>;
  /** Resolves when it comes true; rejects, with these words, when it does not. */
  until(what: string, holds: () => Promise<boolean> | boolean, withinMs?: number): Promise<void>;
  stopWorkers(): Promise<void>;
  /** The last that each worker has said, and events that did not come in their turn: what one wants to see of a failure. */
  evidence(): Promise<readonly string[]>;
  close(): Promise<void>;
}

export type RedisClient = Awaited<ReturnType<typeof connectRedis>>;

export interface RigOptions {
  readonly seed: string;
  readonly whole: boolean;
  readonly directory: string;
  readonly app: RigApp;
  /** The ClickHouse that faults share which do not hurt it; a fault that does has one of its own. */
  readonly clickhouse: BreakableService | "own";
  readonly hosts: Pick<Fault, "smallDisk" | "redisClock">;
  readonly note: (text: string) => void;
}

let databases = 0;

const outOfTurn =
  "SELECT user_id, n, place, pid, count() AS times FROM writings WHERE place != 'next' GROUP BY ALL ORDER BY user_id, n LIMIT 12";

export async function openRig(options: RigOptions): Promise<Rig> {
  const closing: (() => unknown)[] = [];
  const close = () => closeAll(closing);
  try {
    return await assemble(options, closing, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function assemble(
  { seed, whole, directory, app, clickhouse, hosts, note }: RigOptions,
  closing: (() => unknown)[],
  close: () => Promise<void>,
): Promise<Rig> {
  await mkdir(directory, { recursive: true });
  const { service, megabytes } = hosts.smallDisk ?? {};
  const smallDisk = service && megabytes && (await mountSmallDisk(join(directory, service), megabytes));
  if (smallDisk) closing.push(() => smallDisk.unmount());
  const redisClock = hosts.redisClock ? await openSetClock(directory) : undefined;
  const redisServer = await startRedis(directory, redisClock?.env);
  closing.push(redisServer.close);
  const clickhouseServer = clickhouse === "own" ? await startClickHouse(directory) : clickhouse;
  if (clickhouse === "own") closing.push(clickhouseServer.close);
  const producerProxy = await FaultProxy.listen(redisServer.port);
  closing.push(() => producerProxy.close());
  const redis = await connectRedis(`redis://127.0.0.1:${redisServer.port}`);
  closing.push(() => redis.destroy());
  const database = `chaos_${++databases}`;
  const url = `http://127.0.0.1:${clickhouseServer.port}`;
  const sql = createClickHouse({ url, database });
  closing.push(() => sql.close());
  const addPlain = (event: object) => redis.xAdd(adoptedLog, "*", { data: JSON.stringify(event) });
  const workload = openWorkload(seed, { redisUrl: () => `redis://127.0.0.1:${producerProxy.port}`, addPlain });
  closing.push(workload.close);

  const env = {
    REDIS_URL: `redis://127.0.0.1:${redisServer.port}`,
    CLICKHOUSE_URL: url,
    CLICKHOUSE_DATABASE: database,
    LOG_LEVEL: "info",
  };
  const start = ["--cwd", app.directory, "start", "--lease", `${leaseMsOf({ whole })}ms`];
  const workers: RigWorker[] = [];
  const takeovers: Takeover[] = [];
  closing.push(async () => void (await Promise.all(workers.map(endFor))));

  const until: Rig["until"] = async (what, holds, withinMs = 30_000) => {
    for (const spent = undisturbedClock(); spent() < withinMs; ) {
      const began = performance.now();
      if (await holds()) return;
      // A look that costs much is made less often: it takes from those who are looked at.
      await sleep(Math.min(500, Math.max(15, 3 * (performance.now() - began))));
    }
    throw new Error(`in ${withinMs / 1_000} s it did not come true that ${what}`);
  };
  const { lanes } = app;
  const living = () => workers.filter(({ hasEnded }) => !hasEnded());
  const takenOver = async (what: string, since: number, by: () => readonly RigWorker[]) => {
    let heirs: readonly RigWorker[] = [];
    const { look, slowness } = watchSlowness();
    const queuedBefore = new Map(living().map(({ process: { pid } }) => [pid, queuedMs(pid)]));
    await until(what, async () => {
      look();
      heirs = by();
      return (await owners()).every((owner) => heirs.some(({ instance }) => instance === owner));
    });
    const firstReady = Math.min(...heirs.map(({ readyAt }) => readyAt));
    const queued = heirs.map(({ process: { pid } }) => queuedMs(pid) - (queuedBefore.get(pid) ?? 0));
    takeovers.push({
      ms: Math.round(performance.now() - since),
      readyAfterMs: firstReady - since,
      slowness: slowness(),
      queuedMs: Math.max(0, ...queued),
    });
  };
  const owners = () => ownersOf(redis, lanes.map(leaseOf));
  const rig: Rig = {
    ...{ seed, random: createRandom(`${seed}/choices`), whole, redisServer, clickhouseServer, redis, producerProxy, workload },
    ...{ env, takeovers, directory, smallDisk: smallDisk || undefined, redisClock, addPlain, note, until, owners, close },
    startWorker: async (more = {}) => {
      const [toRedis, toClickHouse] = await Promise.all([
        FaultProxy.listen(redisServer.port),
        FaultProxy.listen(clickhouseServer.port),
      ]);
      closing.push(() => toRedis.close());
      closing.push(() => toClickHouse.close());
      const addresses = {
        REDIS_URL: `redis://127.0.0.1:${toRedis.port}`,
        CLICKHOUSE_URL: `http://127.0.0.1:${toClickHouse.port}`,
      };
      const started = await supervised(() =>
        startHeadrace([...start, "--role", "worker", "--json"], { env: { ...env, ...addresses, ...more } }),
      );
      const { process: child } = started;
      const worker: RigWorker = {
        ...started,
        ...{ instance: String(started.ready["instance"]), redis: toRedis, clickhouse: toClickHouse },
        readyAt: performance.now(),
        hasEnded: () => child.exitCode !== null || child.signalCode !== null,
      };
      workers.push(worker);
      return worker;
    },
    living,
    takeover: (since) => takenOver("living workers own every partition", since, living),
    takeoverBy: (worker, since) => takenOver("one worker owns every partition", since, () => [worker]),
    storedEvents: async () => {
      const counts = await Promise.all(lanes.map(({ log }) => eventsIn(redis, log)));
      return counts.reduce((sum, n) => sum + n, 0);
    },
    flow: (perSecond) => {
      let isOver = false;
      const flowing = (async () => {
        while (!isOver) await workload.sendMixed(perSecond / 10, perSecond);
      })();
      const stop = () => {
        isOver = true;
        return flowing;
      };
      // A fault that fails in the middle has not stopped it.
      closing.push(() => void stop());
      return { stop };
    },
    isPendingEverywhere: async () => {
      const groups = await Promise.all(lanes.map(({ log }) => redis.xInfoGroups(log).catch(() => [])));
      return groups.every((found, i) => found.some(({ name, pending }) => name === lanes[i]?.group && Number(pending) > 0));
    },
    spared: () => until("no entry is with its last reader", async () => !(await isAnyWithItsLastReader(redis, lanes))),
    verb: (...args) => tryHeadrace(["--cwd", app.directory, ...args], { env }),
    migrate: async (more = {}) => {
      await headrace(["--cwd", app.directory, "migrate", "--apply"], { env: { ...env, ...more } });
    },
    query: async <Row>(statement: string) => (await sql.query({ query: statement, format: "JSONEachRow" })).json<Row>(),
    command: async (statement) => void (await sql.command({ query: statement })),
    drained: async (withinMs = settleWithinMs) => {
      let left = "nothing was looked at";
      for (const spent = undisturbedClock(); spent() < withinMs; await sleep(40)) {
        left = (await Promise.all(lanes.map((lane) => unsettled(redis, lane)))).filter(Boolean).join("; ");
        if (left === "") return undefined;
      }
      return left;
    },
    evidence: async () => [
      ...(app === placingApp ? await rig.query(outOfTurn) : []).map((row) => JSON.stringify(row)),
      ...workers.flatMap(({ process: { pid }, said }) =>
        said()
          .trim()
          .split("\n")
          .slice(-linesShown)
          .map((line) => `${pid}: ${line}`),
      ),
    ],
    stopWorkers: async () => void (await Promise.all(workers.map((worker) => worker.stop()))),
  };
  const bare = createClickHouse({ url });
  await bare.command({ query: `CREATE DATABASE ${database}` });
  await bare.close();
  await rig.migrate();
  return rig;
}

/** Who holds each of the partitions; null when its lease has run out, by the clock of Redis. */
async function ownersOf(redis: RedisClient, leases: readonly string[]): Promise<readonly (string | null)[]> {
  const [now, ...found] = await Promise.all([
    redis.sendCommand(["TIME"]) as Promise<readonly string[]>,
    ...leases.map((lease) => redis.hmGet(lease, ["owner", "until"])),
  ]);
  return found.map(([owner = null, expires]) => (Number(expires) > Number(now[0]) * 1_000 ? owner : null));
}

/** What the entries of a log announce; one without a number is one event. */
export async function eventsIn(redis: RedisClient, log: string, from = "-"): Promise<number> {
  const entries = (await redis.xRange(log, from, "+")) ?? [];
  return entries.reduce((sum, { message }) => sum + Number(message["n"] ?? 1), 0);
}

/** What the group has not settled of a log, in words; empty when there is nothing. */
async function unsettled(redis: RedisClient, { log, group: wanted, prefix }: Lane): Promise<string> {
  try {
    if ((await redis.exists(log)) === 0) return "";
    const group = (await redis.xInfoGroups(log)).find(({ name }) => name === wanted);
    if (!group) return `${log} has no group`;
    const next = (await redis.xRange(log, `(${group["last-delivered-id"]}`, "+", { COUNT: 1 }))?.[0];
    const derived = await redis.xLen(`${prefix}:outbox:${wanted}`);
    const faults = [
      Number(group.pending) > 0 && `${group.pending} pending`,
      next && `unread from ${next.id} on`,
      derived > 0 && `${derived} derived frames on their way`,
    ];
    return faults.some(Boolean) ? `${log}: ${faults.filter(Boolean).join(", ")}` : "";
  } catch (error) {
    return `${log}: ${error instanceof Error ? error.message : error}`;
  }
}

/** Ends a worker in order; kills it when it does not end, or cannot since it is stopped. */
async function endFor(worker: RigWorker): Promise<void> {
  if (worker.hasEnded()) return;
  const exit = once(worker.process, "exit");
  worker.process.kill("SIGTERM");
  worker.process.kill("SIGCONT");
  const timer = setTimeout(() => worker.process.kill("SIGKILL"), 5_000);
  await exit;
  clearTimeout(timer);
}

async function connectRedis(url: string) {
  const client = createRedis({ url, RESP: 2, socket: { reconnectStrategy: 50 } });
  client.on("error", () => {}); // the command that meets it fails
  await client.connect();
  return client;
}

/** As a supervisor does: what ends before it is ready, since a service has just gone, is started again. */
async function supervised<Started>(start: () => Promise<Started>): Promise<Started> {
  for (let left = 5; ; left--) {
    try {
      return await start();
    } catch (error) {
      if (left === 0) throw error;
      await sleep(500);
    }
  }
}

async function isAnyWithItsLastReader(redis: RedisClient, lanes: readonly Lane[]): Promise<boolean> {
  const pending = await Promise.all(
    lanes.map(({ log, group }) => redis.xPendingRange(log, group, "-", "+", 100_000).catch(() => [])),
  );
  return pending.flat().some(({ deliveriesCounter }) => Number(deliveriesCounter) >= deliveryLimits.last);
}
