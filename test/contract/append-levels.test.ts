import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { encodeFrame } from "../../src/bus/frame.ts";
import { MemoryBus } from "../../src/bus/memory.ts";
import { partitionsOf } from "../../src/bus/partition.ts";
import type { Bus, Frame } from "../../src/bus/port.ts";
import { openRedisBus } from "../../src/bus/redis/bus.ts";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/log.ts";
import { framesOf } from "../support/frames-of.ts";
import { redisUrl } from "../support/services.ts";
import { things } from "../support/things.ts";
import { envelopeOf } from "../support/workbench.ts";

const twins: Record<string, () => Promise<Bus>> = {
  "in memory": async () => new MemoryBus(systemClock),
  "on Redis Streams": async () => openRedisBus({ url: await redisUrl(), logger: silentLogger }),
};

const [partition] = partitionsOf(things(1).plan);
if (!partition) throw new Error("no partition");

function frames(): (sequence: number) => Frame {
  const producer = randomUUID();
  return (sequence) => ({ producer, incarnation: 1, sequence, ...encodeFrame([envelopeOf(sequence, "thing.happened", {})]) });
}

describe.each(Object.entries(twins))("the bus %s", (_, open) => {
  it("appends at the level fsync what it appends at the level memory, or refuses the level", async () => {
    const bus = await open();
    const frame = frames();
    const refusal = await bus.checkDurability({ kind: "fsync" }).catch((error) => error);
    if (refusal !== undefined) {
      // Redis before 7.2 under appendfsync everysec cannot: then no append may pretend that it could.
      const unsupported = { name: "ConfigError", code: "bus.unsupported" };
      expect(refusal).toMatchObject(unsupported);
      await expect(bus.append(partition, frame(0), { kind: "fsync" })).rejects.toMatchObject(unsupported);
    } else {
      expect(await bus.append(partition, frame(0), { kind: "fsync" })).toMatchObject({ kind: "stored" });
      expect(await bus.append(partition, frame(0), { kind: "fsync" })).toEqual({ kind: "duplicate" });
      expect(await bus.append(partition, frame(2), { kind: "fsync" })).toEqual({ kind: "gap", last: 0 });
      const [one, other] = [frames(), frames()];
      const both = [one, other].map((of) => bus.append(partition, of(0), { kind: "fsync" }));
      for (const appended of await Promise.all(both)) expect(appended).toMatchObject({ kind: "stored" });
      expect(await bus.append(partition, frame(1))).toMatchObject({ kind: "stored" });
      expect(await framesOf(bus, partition)).toHaveLength(4);
    }
    await bus.close();
  });
});
