import { keys, outboxProducer, type Partition } from "../partition.ts";
import type { Frame, FrameLink, OutboxEntry, Relayed, RelayedFrame } from "../port.ts";
import type { Appenders } from "./appenders.ts";
import type { Commands } from "./redis.ts";

interface Of {
  readonly partition: Partition;
  readonly pipeline: string;
}

/** Reads the oldest frames of an outbox, as the commit numbered them. */
export async function readOutbox(
  redis: Commands,
  { partition, pipeline }: Of,
  { after, count }: { readonly after?: string; readonly count: number },
): Promise<readonly OutboxEntry[]> {
  const log = keys.outbox(partition, pipeline);
  const page = (await redis.send(log, ["XRANGE", log, after === undefined ? "-" : `(${after}`, "+", "COUNT", String(count)])) as [
    Buffer,
    Buffer[],
  ][];
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
    const before = fields.has("after")
      ? linkOf(text("after"))
      : // As earlier versions wrote it: all frames of one incarnation.
        linkOf(frame.sequence > 0 ? `${frame.incarnation}|${frame.sequence - 1}` : "");
    return { id: String(id), to: JSON.parse(text("to")) as Partition, frame, after: before, sum: Number(text("sum")) };
  });
}

/** Takes frames off an outbox that are in their logs. */
export async function removeRelayed(redis: Commands, { partition, pipeline }: Of, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  const log = keys.outbox(partition, pipeline);
  await redis.send(log, ["XDEL", log, ...ids]);
}

/** Stores a frame of an outbox in its log. */
export async function relayFrame(
  appenders: Appenders,
  { to, frame, after, sum, without, tenure, instead }: RelayedFrame,
): Promise<Relayed> {
  const { producer, incarnation, sequence, count, codec, minTime, maxTime, checksum, body } = frame;
  const reply = await appenders.append(
    { kind: "memory" },
    {
      script: "relay",
      keys: [to.log, keys.producers(to), keys.meta(to)],
      args: [
        ...[producer, incarnation, sequence, count, codec, minTime, maxTime, checksum, body],
        ...[textOf(after), sum + count + without, tenure],
        ...(instead ? [textOf(instead.last), instead.vanished] : ["-", 0]),
      ],
    },
  );
  const [kind, detail] = reply as [Buffer, Buffer | undefined];
  switch (String(kind)) {
    case "stored":
    case "duplicate":
      return { kind: String(kind) as "stored" | "duplicate" };
    case "superseded":
      return { kind: "superseded" };
    default: {
      const last = linkOf(String(detail));
      return { kind: "unlinked", last: last && { ...last, sum: Number(String(detail).split("|")[2]) } };
    }
  }
}

const textOf = (link: FrameLink | undefined): string => (link ? `${link.incarnation}|${link.sequence}` : "");

function linkOf(text: string): FrameLink | undefined {
  if (text === "") return undefined;
  const [incarnation, sequence] = text.split("|").map(Number);
  return { incarnation: incarnation as number, sequence: sequence as number };
}
