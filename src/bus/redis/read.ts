import type { Commands } from "../../redis/client.ts";
import { keys, type Partition } from "../partition.ts";
import { consumerName, deliveryLimits, type Entry, type Fence, type ReadRequest, type ReadResult } from "../port.ts";
import { type BehindReply, isBehind, wentBack } from "./behind.ts";
import { runScript } from "./scripts.ts";
import { tokenOf } from "./token.ts";

type EntryReply = readonly [id: Buffer, fields: Buffer[] | null, deliveries: number, events: number];

/** Nothing where the lease is lost, a text where suspects are next. */
type ReadReply = null | Buffer | BehindReply | readonly [reads: number, ...EntryReply[]];

/** Entries of an adopted stream are one event each. */
export const isAdopted = ({ adopted, side }: Partition): boolean => adopted && side === "main";

/** Reads entries of any kind, new or pending. New ones that are one event each cost less by `readPlain`. */
export async function readEntries(redis: Commands, fence: Fence, request: ReadRequest): Promise<ReadResult> {
  const { from, after, count, suspects = 0, known = { commits: 0, reads: 0 } } = request;
  const { partition, pipeline, owner } = fence;
  const reply = await runScript<ReadReply>(redis, "read", {
    keys: [keys.lease(partition, pipeline), partition.log, keys.open(partition, pipeline), keys.ledger(partition, pipeline)],
    args: [
      owner,
      tokenOf(fence),
      pipeline,
      consumerName,
      isAdopted(partition) ? "adopted" : partition.side,
      count,
      from === "new" ? ">" : after,
      deliveryLimits.suspect,
      deliveryLimits.last,
      suspects,
      known.commits,
      known.reads,
    ],
  });
  if (reply === null) return { kind: "fenced" };
  if (Buffer.isBuffer(reply)) return { kind: "suspects" };
  if (isBehind(reply)) return wentBack(reply);
  const [reads, ...entries] = reply;
  return { kind: "entries", entries: entries.map(toEntry), reads };
}

const toEntry = ([id, fields, deliveries, events]: EntryReply): Entry => ({
  id: id.toString("latin1"),
  fields: fields ?? undefined,
  deliveries,
  events,
});
