import { type Child, residentBytes } from "./child.ts";
import { type Login, makeLogins } from "./data.ts";
import { appDirectory, delivered, startWorker } from "./frames.ts";
import { type Bench, until } from "./measure.ts";
import { framePartitions, publishFrames } from "./publish.ts";

/** What a worker is like that keeps a state for each of very many keys. */
export interface StateSize {
  readonly keys: number;
  /** What the states take in Redis. */
  readonly stateBytes: number;
  /** The most memory that the worker had, by the megabytes of its cache. */
  readonly rssBytes: Readonly<Record<string, number>>;
  /** After a restart: events for keys that are there, and what Redis answered until they were done, per event; and that per key of all. */
  readonly restart: { readonly events: number; readonly bytesReadPerEvent: number; readonly bytesReadPerKey: number };
}

/** Megabytes: less than the states take by far, and more. */
const cacheSizes = [8, 1024] as const;
/** Events in Redis at once, at most. */
const portion = 250_000;
const restartEvents = 1_000;

/**
 * A fold with a state for each of `keys` keys, once with a small cache and once with one that holds all of them. After the first time
 * another worker takes over, and is sent events for some of the keys. Undefined where the system does not tell a process's memory.
 */
export async function measureStateSize(
  bench: Pick<Bench, "stack" | "profileDir" | "signal">,
  { keys, say }: { readonly keys: number; readonly say: (text: string) => void },
): Promise<StateSize | undefined> {
  const { stack, signal } = bench;
  const start = (megabytes: number) =>
    startWorker(bench, { directory: appDirectory("million-keys"), more: ["--state-cache-mb", String(megabytes)] });
  const rssBytes: Record<string, number> = {};
  let stateBytes = 0;
  let restart: StateSize["restart"] | undefined;
  for (const megabytes of cacheSizes) {
    await stack.reset();
    const worker = await start(megabytes);
    try {
      if (residentBytes(worker.pids, "VmHWM") === undefined) return undefined;
      await feed(makeLogins(keys), { worker, before: 0 });
      rssBytes[megabytes] = residentBytes(worker.pids, "VmHWM") as number;
      say(`state-size: ${keys} keys and a cache of ${megabytes} MB: ${Math.round((rssBytes[megabytes] as number) / 1e6)} MB`);
    } finally {
      await worker.stop();
    }
    if (restart) continue;
    stateBytes = await sizeOfStates();
    restart = await takeOver(megabytes);
  }
  return { keys, stateBytes, rssBytes, restart: restart as StateSize["restart"] };

  async function feed(events: readonly Login[], { worker, before }: { readonly worker: Child; readonly before: number }) {
    for (let at = 0; at < events.length; at += portion) {
      const some = events.slice(at, at + portion);
      await publishFrames(some, stack.redisUrl);
      await until(before + at + some.length, worker, { look: () => delivered(stack, framePartitions), signal });
      // All of it is acked: nothing unread is lost.
      for (const prefix of framePartitions) await stack.redis.xTrim(`${prefix}:s`, "MAXLEN", 0);
    }
  }

  async function takeOver(megabytes: number): Promise<StateSize["restart"]> {
    const before = await stack.sentByRedis();
    const worker = await start(megabytes);
    try {
      await feed(makeLogins(restartEvents, { total: keys }), { worker, before: keys });
    } finally {
      await worker.stop();
    }
    const bytes = (await stack.sentByRedis()) - before;
    return { events: restartEvents, bytesReadPerEvent: Math.round(bytes / restartEvents), bytesReadPerKey: bytes / keys };
  }

  async function sizeOfStates(): Promise<number> {
    const sizes = await Promise.all(
      framePartitions.map((prefix) => stack.redis.memoryUsage(`${prefix}:state:login-analytics`, { SAMPLES: 1_000 })),
    );
    return sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
  }
}
