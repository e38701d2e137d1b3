import { z } from "zod";
import { nth } from "../../core/nth.ts";
import type { Partition } from "../partition.ts";
import type { FrameLink, OutboxRecord } from "../port.ts";

const partition = z.looseObject({
  stream: z.string(),
  index: z.number(),
  name: z.string(),
  log: z.string().min(1),
  prefix: z.string().min(1),
  adopted: z.boolean(),
  side: z.enum(["main", "replay"]),
});

/** Milliseconds since the epoch, also before it. */
const time = /^-?\d{1,16}$/;

/** What stands in the outbox of `producer` at `id`: field, value, field, value … */
export function readRecord(id: string, flat: readonly Buffer[], producer: string): OutboxRecord {
  const fields = new Map(Array.from({ length: flat.length / 2 }, (_, i) => [String(flat[2 * i]), nth(flat, 2 * i + 1)]));
  const text = (name: string) => String(fields.get(name) ?? "");
  const faults: string[] = [];
  const number = (name: string, shape = /^\d{1,16}$/): number => {
    if (!shape.test(text(name))) faults.push(`its '${name}' is no number`);
    return Number(text(name));
  };
  const to = partitionOf(text("to"));
  if (!to) faults.push("its 'to' is no partition");
  const [incarnation, sequence] = [number("inc"), number("fs")];
  // Earlier versions wrote no link: all frames were of one incarnation.
  const after = fields.has("after") ? text("after") : sequence > 0 ? `${incarnation}|${sequence - 1}` : "";
  if (!/^(\d{1,16}\|\d{1,16})?$/.test(after)) faults.push("its 'after' names no frame");
  const frame = {
    producer,
    incarnation,
    sequence,
    count: number("n"),
    codec: text("c") === "jz" ? ("jz" as const) : ("j" as const),
    minTime: number("t0", time),
    maxTime: number("t1", time),
    checksum: text("h"),
    body: fields.get("d") ?? Buffer.alloc(0),
  };
  const sum = fields.has("sum") ? number("sum") : 0;
  return to && faults.length === 0
    ? { id, to, frame, after: linkOf(after), sum }
    : { id, to: undefined, fault: faults.join(", ") };
}

/** `<inc>|<fs>`, or nothing. */
export function linkOf(text: string): FrameLink | undefined {
  if (text === "") return undefined;
  const [incarnation, sequence] = text.split("|");
  return { incarnation: Number(incarnation), sequence: Number(sequence) };
}

function partitionOf(json: string): Partition | undefined {
  try {
    return partition.safeParse(JSON.parse(json)).data as Partition | undefined;
  } catch {
    return undefined;
  }
}
