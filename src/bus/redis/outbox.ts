import type { Commands } from "../../redis/client.ts";
import { keys, outboxProducer, type Partition } from "../partition.ts";
import type { FrameLink, OutboxRecord, Relayed, RelayedFrame } from "../port.ts";
import type { Appenders } from "./appenders.ts";
import { linkOf, readRecord } from "./outbox-record.ts";

interface OutboxOwner {
  readonly partition: Partition;
  readonly pipeline: string;
}

/** Reads the oldest frames of an outbox, as the commit numbered them. One that nobody can read hides none of the others. */
export async function readOutbox(
  redis: Commands,
  { partition, pipeline }: OutboxOwner,
  { after, count }: { readonly after?: string; readonly count: number },
): Promise<readonly OutboxRecord[]> {
  const log = keys.outbox(partition, pipeline);
  const page = await redis.send<[Buffer, Buffer[]][]>(log, [
    "XRANGE",
    log,
    after === undefined ? "-" : `(${after}`,
    "+",
    "COUNT",
    String(count),
  ]);
  // One producer for each outbox: its frames are numbered for each log that they are for.
  const producer = outboxProducer(partition, pipeline);
  return page.map(([id, flat]) => readRecord(String(id), flat, producer));
}

/** Stores a frame of an outbox in its log. */
export async function relayFrame(
  appenders: Appenders,
  { to, frame, after, sum, without, strays, tenure, instead }: RelayedFrame,
): Promise<Relayed> {
  const { producer, incarnation, sequence, count, codec, minTime, maxTime, checksum, body } = frame;
  const reply = await appenders.append(
    { kind: "memory" },
    {
      script: "relay",
      keys: [to.log, keys.producers(to), keys.meta(to), keys.strays(to, producer)],
      args: [
        ...[producer, incarnation, sequence, count, codec, minTime, maxTime, checksum, body],
        ...[textOf(after), sum + count + without, tenure],
        ...(instead ? [textOf(instead.last), instead.vanished] : ["-", 0]),
        strays,
      ],
    },
  );
  const [kind, detail] = reply as [Buffer, Buffer | undefined];
  switch (String(kind)) {
    case "stored":
      return { kind: "stored" };
    case "duplicate":
      return { kind: "duplicate" };
    case "superseded":
      return { kind: "superseded" };
    default: {
      const last = linkOf(String(detail));
      return { kind: "unlinked", last: last && { ...last, sum: Number(String(detail).split("|")[2]) } };
    }
  }
}

const textOf = (link: FrameLink | undefined): string => (link ? `${link.incarnation}|${link.sequence}` : "");
