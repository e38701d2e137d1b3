import { keys, outboxProducer, type Partition } from "../partition.ts";
import type { Frame, OutboxEntry } from "../port.ts";
import type { Commands } from "./redis.ts";

/** Reads the oldest frames of an outbox, as the commit numbered them. */
export async function readOutbox(
  redis: Commands,
  { partition, pipeline, count }: { readonly partition: Partition; readonly pipeline: string; readonly count: number },
): Promise<readonly OutboxEntry[]> {
  const log = keys.outbox(partition, pipeline);
  const page = (await redis.send(log, ["XRANGE", log, "-", "+", "COUNT", String(count)])) as [Buffer, Buffer[]][];
  return page.map(([id, flat]) => {
    const fields = new Map(Array.from({ length: flat.length / 2 }, (_, i) => [String(flat[2 * i]), flat[2 * i + 1] as Buffer]));
    const text = (name: string) => String(fields.get(name) ?? "");
    const frame: Frame = {
      // One producer for each outbox: its frames are numbered for each log that they are for.
      producer: outboxProducer(partition, pipeline),
      incarnation: Number(text("inc")),
      sequence: Number(text("fs")),
      count: Number(text("n")),
      codec: text("c") === "jz" ? "jz" : "j",
      minTime: Number(text("t0")),
      maxTime: Number(text("t1")),
      checksum: text("h"),
      body: fields.get("d") ?? Buffer.alloc(0),
    };
    return { id: String(id), to: JSON.parse(text("to")) as Partition, frame };
  });
}
