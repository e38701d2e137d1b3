import { type Child, residentBytes } from "./child.ts";
import { makeLogins } from "./data.ts";
import { delivered, startWorker } from "./frames.ts";
import { type Bench, until } from "./measure.ts";
import { framePartitions, publishFrames } from "./publish.ts";

export interface Memory {
  /** The most that was resident while the last tenth of the events went through. */
  readonly rssBytes: number;
  /** The same of the first tenth. */
  readonly rssFirstBytes: number;
  readonly ratio: number;
  readonly events: number;
  /** Every tenth. */
  readonly rssByTenth: readonly number[];
}

export interface MemoryOptions {
  /** A multiple of ten. */
  readonly events: number;
  readonly say: (text: string) => void;
}

/** Events in Redis at once, at most. */
const portion = 250_000;
const sampleMs = 100;

/**
 * Whether a worker grows: frames are sent in portions while it runs, each trimmed away when it is done. Undefined where the
 * system does not tell how much memory a process has.
 */
export async function measureMemory(
  bench: Pick<Bench, "stack" | "profileDir" | "signal">,
  { events, say }: MemoryOptions,
): Promise<Memory | undefined> {
  const { stack } = bench;
  await stack.reset();
  const worker = await startWorker(bench);
  try {
    if (residentBytes(worker.pids, "VmRSS") === undefined) return undefined;
    const rssByTenth: number[] = [];
    const tenth = Math.floor(events / 10);
    for (let part = 0; part < 10; part++) {
      rssByTenth.push(await highest(worker, () => feed(part * tenth, tenth)));
      say(`memory: ${(part + 1) * tenth} events, ${Math.round((rssByTenth[part] as number) / 1e6)} MB`);
    }
    const [found] = await stack.query("SELECT count() AS rows FROM login_events FINAL");
    if (Number(found?.["rows"]) !== tenth * 10) throw new Error(`memory: ${tenth * 10} events made ${found?.["rows"]} rows`);
    const [rssFirstBytes, rssBytes] = [rssByTenth[0] as number, rssByTenth[9] as number];
    return { rssBytes, rssFirstBytes, ratio: Math.round((rssBytes / rssFirstBytes) * 100) / 100, events: tenth * 10, rssByTenth };
  } finally {
    await worker.stop();
  }

  async function feed(first: number, count: number): Promise<void> {
    for (let at = first; at < first + count; at += portion) {
      const size = Math.min(portion, first + count - at);
      await publishFrames(makeLogins(size, { first: at, total: events }), stack.redisUrl);
      await until(at + size, worker, { look: () => delivered(stack, framePartitions), signal: bench.signal });
      // All of it is acked: nothing unread is lost.
      for (const prefix of framePartitions) await stack.redis.xTrim(`${prefix}:s`, "MAXLEN", 0);
    }
  }
}

/** The most that is resident while `work` is under way. */
async function highest({ pids }: Child, work: () => Promise<void>): Promise<number> {
  let most = 0;
  const sample = () => {
    most = Math.max(most, residentBytes(pids, "VmRSS") ?? 0);
  };
  const timer = setInterval(sample, sampleMs);
  try {
    await work();
    sample();
    return most;
  } finally {
    clearInterval(timer);
  }
}
