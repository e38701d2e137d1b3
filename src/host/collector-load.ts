import { partitionsOf } from "../bus/partition.ts";
import type { LogOperations } from "../bus/port.ts";
import type { Clock } from "../core/clock.ts";
import { minutes } from "../core/duration.ts";
import type { AppPlan } from "../plan/plan.ts";
import type { Redis } from "../redis/client.ts";
import { readServer } from "../redis/server.ts";

export interface LoadWatchDeps {
  readonly redis: Redis;
  readonly bus: Pick<LogOperations, "state">;
  readonly app: AppPlan;
  readonly clock: Clock;
}

/** What a collector knows of its Redis: as shares of what may be. */
export interface WatchedLoad {
  readonly memory: number;
  readonly lag: number;
}

/** From this part of `maxmemory` on Redis is in trouble, and at that it takes nothing more. */
const memoryFrom = 0.8;
const memoryTo = 0.98;
/** So far behind may the slowest reader be before answers take as long as they ever do for that. It alone refuses nothing: Redis keeps what waits. */
const mostLagMs = minutes(5);
const most = 0.99;
/** Memory can fill up in seconds, readers fall behind in minutes. */
const everyMs = { memory: 1_000, lag: 5_000 } as const;

/** Looks at Redis' memory and at how far behind readers are, until `stop` aborts. What cannot be looked at is as it was. */
export function watchLoad({ redis, bus, app, clock }: LoadWatchDeps, stop: AbortSignal): () => WatchedLoad {
  let load: WatchedLoad = { memory: 0, lag: 0 };
  const again = async (name: keyof WatchedLoad, look: () => Promise<number>) => {
    while (!stop.aborted) {
      await look().then(
        (share) => {
          load = { ...load, [name]: share };
        },
        () => {},
      );
      await clock.sleep(everyMs[name], stop);
    }
  };
  void again("memory", async () => {
    const shares = await Promise.all(redis.servers().map(async (server) => shareOf(await readServer(server))));
    return Math.max(0, ...shares);
  });
  void again("lag", async () => {
    const oldest = await Promise.all(
      app.pipelines.flatMap(({ name, sources }) =>
        sources.flatMap(partitionsOf).map(async (partition) => (await bus.state(partition, name)).oldest),
      ),
    );
    const ages = oldest.map((time) => (time === undefined ? 0 : clock.now() - time));
    return Math.min(most, Math.max(0, ...ages) / mostLagMs);
  });
  return () => load;
}

const shareOf = ({ usedMemoryBytes, maxMemoryBytes }: { readonly usedMemoryBytes: number; readonly maxMemoryBytes: number }) =>
  maxMemoryBytes === 0 ? 0 : Math.max(0, (usedMemoryBytes / maxMemoryBytes - memoryFrom) / (memoryTo - memoryFrom));
