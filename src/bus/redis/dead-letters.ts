import { nth } from "../../core/nth.ts";
import type { Commands } from "../../redis/client.ts";
import { keys, type Partition } from "../partition.ts";
import type { DeadLetter } from "../port.ts";

const pageSize = 200;

type StoredLetter = [id: Buffer, fields: Buffer[]];

/** Dead letters of a partition, oldest first, page by page, up to the newest of now. */
export async function* readDeadLetters(redis: Commands, partition: Partition): AsyncIterable<DeadLetter> {
  const log = keys.deadLetters(partition);
  const [newest] = await redis.send<StoredLetter[]>(log, ["XREVRANGE", log, "+", "-", "COUNT", "1"]);
  if (!newest) return;
  for (let after = "-"; ; ) {
    const range = ["XRANGE", log, after, String(newest[0]), "COUNT", String(pageSize)];
    const page = await redis.send<StoredLetter[]>(log, range);
    for (const [id, fields] of page) yield toDeadLetter(String(id), fields);
    const last = page.at(-1);
    if (page.length < pageSize || !last) return;
    after = `(${String(last[0])}`;
  }
}

function toDeadLetter(id: string, flat: readonly Buffer[]): DeadLetter {
  const named = new Map<string, Buffer>();
  const fields: [string, Buffer][] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const name = String(flat[i]);
    const value = nth(flat, i + 1);
    if (name.startsWith("f:")) fields.push([name.slice(2), value]);
    else named.set(name, value);
  }
  const text = (name: string) => String(named.get(name) ?? "");
  return {
    id,
    pipeline: text("pipeline"),
    partition: text("partition"),
    at: text("at"),
    entry: text("entry"),
    index: Number(text("index")),
    stage: text("stage"),
    reason: text("reason"),
    error: text("error"),
    type: text("type"),
    eventId: text("event"),
    original: named.has("original") ? text("original") : undefined,
    fields,
  };
}
