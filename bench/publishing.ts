import type { Measured } from "./interleave.ts";
import type { Bench, Run } from "./measure.ts";
import { publishFrames, publishPlain } from "./publish.ts";

const publishers = { "publish-frames": publishFrames, "publish-plain": publishPlain } as const;

export const publishings: readonly string[] = Object.keys(publishers);

/** What writing the events takes, which no other measurement counts: our producer, which packs frames, and one XADD an event. */
export const publishingOf = (bench: Bench, wants: (name: string) => boolean): readonly Measured<Run>[] =>
  Object.entries(publishers)
    .filter(([name]) => wants(name))
    .map(([name, publish]) => ({
      name,
      measure: async () => {
        await bench.stack.reset();
        await bench.stack.quiet();
        const [sentBefore, cpuBefore, since] = [await bench.stack.sentToRedis(), process.cpuUsage(), performance.now()];
        await publish(bench.events, bench.stack.redisUrl);
        const seconds = (performance.now() - since) / 1_000;
        const { user, system } = process.cpuUsage(cpuBefore);
        const count = bench.events.length;
        return {
          eventsPerSecond: count / seconds,
          rssBytes: undefined,
          cpuMicrosPerEvent: (user + system) / count,
          redisBytesPerEvent: ((await bench.stack.sentToRedis()) - sentBefore) / count,
        };
      },
      tell: ({ eventsPerSecond }) => `${Math.round(eventsPerSecond).toLocaleString("en")} events/s`,
    }));
