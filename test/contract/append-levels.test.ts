import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { encodeFrame } from "../../src/bus/frame.ts";
import { MemoryBus } from "../../src/bus/memory/bus.ts";
import { partitionsOf } from "../../src/bus/partition.ts";
import type { Bus, Frame } from "../../src/bus/port.ts";
import { openRedisBus } from "../../src/bus/redis/bus.ts";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/log.ts";
import { framesOf } from "../support/frames-of.ts";
import { startOwnRedis } from "../support/own-redis.ts";
import { knowsWaitAof, redisVersion } from "../support/redis-version.ts";
import { things } from "../support/things.ts";
import { envelopeOf } from "../support/workbench.ts";

interface Twin {
  readonly bus: Bus;
  close(): Promise<void>;
}

/** A bus on a Redis of its own: whether it can give the level follows from its version and settings, and from nothing else. */
const onRedis = (settings: Readonly<Record<string, string>>) => async (): Promise<Twin> => {
  const redis = await startOwnRedis(settings);
  const bus = await openRedisBus({ url: redis.url, logger: silentLogger });
  return {
    bus,
    close: async () => {
      await bus.close();
      await redis.close();
    },
  };
};

const inMemory = async (): Promise<Twin> => {
  const bus = new MemoryBus(systemClock);
  return { bus, close: () => bus.close() };
};

const canBeAsked = knowsWaitAof(await redisVersion());
const always = onRedis({ appendfsync: "always" });
const everysec = onRedis({ appendfsync: "everysec" });
const without = onRedis({ appendonly: "no" });

const able: readonly (readonly [string, () => Promise<Twin>])[] = [
  ["in memory", inMemory],
  ["on a Redis that writes to disk before it answers", always],
  ...(canBeAsked ? ([["on a Redis that can be asked whether it has written to disk", everysec]] as const) : []),
];
const unable: readonly (readonly [string, () => Promise<Twin>])[] = [
  ["on a Redis that writes no log", without],
  ...(canBeAsked ? [] : ([["on a Redis that cannot be asked whether it has written to disk", everysec]] as const)),
];

const [partition] = partitionsOf(things(1).plan);
if (!partition) throw new Error("no partition");

function frames(): (sequence: number) => Frame {
  const producer = randomUUID();
  return (sequence) => ({ producer, incarnation: 1, sequence, ...encodeFrame([envelopeOf(sequence, "thing.happened", {})]) });
}

describe.each(able)("the bus %s", (_, open) => {
  it("appends at the level fsync what it appends at the level memory", async () => {
    const { bus, close } = await open();
    try {
      const frame = frames();
      const fsync = { kind: "fsync" } as const;
      await bus.checkDurability(fsync);
      expect(await bus.append(partition, frame(0), fsync)).toMatchObject({ kind: "stored" });
      expect(await bus.append(partition, frame(0), fsync)).toEqual({ kind: "duplicate" });
      expect(await bus.append(partition, frame(2), fsync)).toEqual({ kind: "gap", last: 0 });
      const [one, other] = [frames(), frames()];
      const both = [one, other].map((of) => bus.append(partition, of(0), fsync));
      for (const appended of await Promise.all(both)) expect(appended).toMatchObject({ kind: "stored" });
      expect(await bus.append(partition, frame(1))).toMatchObject({ kind: "stored" });
      expect(await framesOf(bus, partition)).toHaveLength(4);
    } finally {
      await close();
    }
  });
});

describe.each(unable)("the bus %s", (_, open) => {
  it("refuses the level fsync, and no append pretends that it could", async () => {
    const { bus, close } = await open();
    try {
      const unsupported = { name: "ConfigError", code: "bus.unsupported" };
      await expect(bus.checkDurability({ kind: "fsync" })).rejects.toMatchObject(unsupported);
      await expect(bus.append(partition, frames()(0), { kind: "fsync" })).rejects.toMatchObject(unsupported);
      expect(await bus.append(partition, frames()(0))).toMatchObject({ kind: "stored" });
    } finally {
      await close();
    }
  });
});
