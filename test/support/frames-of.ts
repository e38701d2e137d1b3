import { randomUUID } from "node:crypto";
import type { Envelope } from "../../src/bus/envelope.ts";
import type { Partition } from "../../src/bus/partition.ts";
import type { Bus, Fence } from "../../src/bus/port.ts";
import { decodeAll } from "./decode-all.ts";

/** Every frame of a partition, decoded, in the order in which they were stored. */
export async function framesOf(bus: Bus, partition: Partition): Promise<readonly (readonly Envelope[])[]> {
  return (await entriesOf(bus, partition)).map(({ envelopes }) => envelopes);
}

/** The same with the ids of their entries. */
export async function entriesOf(
  bus: Bus,
  partition: Partition,
): Promise<readonly { readonly id: string; readonly envelopes: readonly Envelope[] }[]> {
  const pipeline = `reader-${randomUUID()}`;
  const acquired = await bus.acquire(partition, pipeline, { owner: "test", ttlMs: 60_000 });
  if (acquired.kind !== "owned") throw new Error("taken");
  const fence: Fence = { partition, pipeline, owner: "test", epoch: acquired.epoch, tenure: acquired.tenure };
  const result = await bus.read(fence, { from: "new", after: "0-0", count: 1_000_000 });
  if (result.kind !== "entries") throw new Error(result.kind);
  return result.entries.map(({ id, fields = [] }) => ({
    id,
    envelopes: decodeAll(new Map(fields.flatMap((name, i) => (i % 2 ? [] : [[String(name), fields[i + 1] as Buffer] as const])))),
  }));
}
