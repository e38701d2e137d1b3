import { describe, expect, it } from "vitest";
import { MemoryBus } from "../../src/bus/memory/bus.ts";
import { type Partition, partitionsOf } from "../../src/bus/partition.ts";
import type { Bus } from "../../src/bus/port.ts";
import { openRedisBus } from "../../src/bus/redis/bus.ts";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/log.ts";
import { pipeline } from "../../src/dsl/pipeline.ts";
import { clickhouse } from "../../src/dsl/sinks.ts";
import { defineStream } from "../../src/dsl/stream.ts";
import { audit } from "../../src/engine/audit.ts";
import { runWorker } from "../../src/engine/worker.ts";
import { createMemorySink } from "../../src/sinks/memory.ts";
import { collect } from "../support/collect.ts";
import { redisClient } from "../support/redis.ts";
import { redisUrl, unique } from "../support/services.ts";
import { thingHappened, thingRow, thingTable } from "../support/things.ts";

const deadLetterBytes = 256 * 1024;
const flood = 2_000;

interface Twin {
  readonly bus: Bus;
  plain(partition: Partition, data: string): Promise<unknown>;
  close(): Promise<void>;
}

const twins: Record<string, () => Promise<Twin>> = {
  "in memory": async () => {
    const bus = new MemoryBus(systemClock, { deadLetterBytes });
    return { bus, plain: async (partition, data) => bus.appendPlain(partition, { data }), close: () => bus.close() };
  },
  "on Redis": async () => {
    const url = await redisUrl();
    const redis = await redisClient(url);
    const bus = await openRedisBus({ url, logger: silentLogger, deadLetterBytes });
    return {
      bus,
      plain: ({ log }, data) => redis.xAdd(log, "*", { data }),
      close: async () => {
        redis.destroy();
        await bus.close();
      },
    };
  },
};

describe.each(Object.entries(twins))("dead letters without end, %s", (_, open) => {
  it("take no more room than they may; what is not kept is counted, and later ones are kept where there is room again", async () => {
    const twin = await open();
    const { bus } = twin;
    const stream = defineStream("flooded", { events: [thingHappened], adopt: unique("app:") });
    const [partition] = partitionsOf(stream.plan) as [Partition];
    const copy = pipeline("copy")
      .from(stream)
      .to(clickhouse(thingTable("rows")), thingRow);
    const stop = new AbortController();
    const sink = createMemorySink();
    const worker = runWorker(
      { instance: "w", pipelines: [copy.plan] },
      { bus, clock: systemClock, logger: silentLogger, sinkFor: () => sink },
      stop.signal,
    );
    const invalid = `no event ${"x".repeat(500)}`;
    const good = JSON.stringify({ type: "thing.happened", data: { key: "k", n: 1 } });
    const settled = (deadLettered: number, delivered: number) =>
      expect
        .poll(() => audit(copy.plan, bus), { timeout: 30_000 })
        .toMatchObject({ deadLettered: { "not-json": deadLettered }, delivered, inFlight: 0, balanced: true });
    try {
      await Promise.all(Array.from({ length: flood }, () => twin.plain(partition, invalid)));
      await twin.plain(partition, good);
      await settled(flood, 1);
      const kept = await collect(bus.deadLetters(partition));
      expect(kept.length).toBeGreaterThan(100);
      expect(kept.length).toBeLessThan(deadLetterBytes / invalid.length);
      expect((await bus.state(partition, "copy")).counts["notKept"]).toBe(flood - kept.length);

      for (const letter of kept.slice(0, kept.length / 2)) await bus.discardDeadLetter(partition, letter);
      await twin.plain(partition, invalid);
      await settled(flood + 1, 1);
      expect((await bus.state(partition, "copy")).counts["notKept"]).toBe(flood - kept.length);
    } finally {
      stop.abort();
      await worker;
      await twin.close();
    }
  }, 60_000);
});
