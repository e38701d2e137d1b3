import { keys } from "../partition.ts";
import { consumerName, type Entry, type Fence, type ReadResult } from "../port.ts";
import type { Commands } from "./redis.ts";
import { scriptSource } from "./scripts.ts";

type PlainReply = readonly [log: Buffer, entries: readonly (readonly [id: Buffer, fields: Buffer[]])[]];

/**
 * Reads new entries that are one event each, in a transaction with the script that counts them and looks at the lease. Passing each
 * entry through a script would cost the server three times as much (measured: 5.0 µs an entry instead of 1.5).
 *
 * `undefined` when there is no group: then read.lua makes it.
 */
export async function readPlain(redis: Commands, fence: Fence, count: number): Promise<ReadResult | undefined> {
  const { partition, pipeline, owner, epoch } = fence;
  const scriptKeys = [keys.lease(partition, pipeline), partition.log, keys.ledger(partition, pipeline)];
  // By hand, since the client's own multi() cannot give Buffers. The four are written in one go. Torn apart by a lost connection they
  // do no harm: the script counts whatever was given out since it last looked.
  const [, , , replies] = (await redis.sendAll(partition.log, [
    ["MULTI"],
    ["XREADGROUP", "GROUP", pipeline, consumerName, "COUNT", String(count), "STREAMS", partition.log, ">"],
    ["EVAL", scriptSource("given"), String(scriptKeys.length), ...scriptKeys, owner, String(epoch), pipeline],
    ["EXEC"],
  ])) as readonly [unknown, unknown, unknown, readonly [readonly PlainReply[] | null | Error, number | Error]];
  const [read, given] = replies;
  if (read instanceof Error || given instanceof Error) {
    const error = read instanceof Error ? read : (given as Error);
    if (error.message.includes("NOGROUP")) return undefined;
    throw error;
  }
  if (given === 0) return { kind: "fenced" };
  const entries = read?.[0]?.[1].map(toEntry) ?? [];
  return { kind: "entries", entries, ...(given === 2 && { stolen: true }) };
}

const toEntry = ([id, fields]: readonly [Buffer, Buffer[]]): Entry => ({
  id: id.toString("latin1"),
  fields,
  deliveries: 1,
  events: 1,
});
