import { xxhash64 } from "../core/hash.ts";
import type { EntryReading, StreamPlan } from "../plan/plan.ts";

/**
 * One partition of a stream and the names of its keys. All keys of a partition share one hash tag, so that a script or a
 * transaction can touch all of them, also in a Redis Cluster. The names are a contract with whoever reads Redis by hand.
 */
export interface Partition {
  readonly stream: string;
  readonly index: number;
  /** For people: `logins/07`, or the stream's name alone where it is adopted. */
  readonly name: string;
  /** The Redis stream itself. */
  readonly log: string;
  /** What the side keys begin with. */
  readonly prefix: string;
  readonly adopted: boolean;
  /** Where its plain entries hold their events. @default in the field `data` */
  readonly reads?: EntryReading | undefined;
  /** `replay`: a log beside it, of what one pipeline reads once more. */
  readonly side: "main" | "replay";
}

/** The partitions of a stream, in order. An adopted stream has one. */
export function partitionsOf(stream: StreamPlan): readonly Partition[] {
  if (stream.layout.kind === "adopted") {
    const { redisKey: log, reads } = stream.layout;
    const prefix = `hr:${slotTag(log)}`;
    return [
      { stream: stream.name, index: 0, name: stream.name, log, prefix, adopted: true, ...(reads && { reads }), side: "main" },
    ];
  }
  return Array.from({ length: stream.layout.partitions }, (_, index) => {
    const digits = String(index).padStart(2, "0");
    const prefix = `hr:{${stream.name}:${digits}}`;
    return {
      stream: stream.name,
      index,
      name: `${stream.name}/${digits}`,
      log: `${prefix}:s`,
      prefix,
      adopted: false,
      side: "main",
    };
  });
}

/**
 * The log beside a partition that its owner reads for one pipeline alone: what is replayed goes through the same lease, states,
 * ledger and commit as what comes in.
 */
export const replayOf = (partition: Partition, pipeline: string): Partition => ({
  ...partition,
  log: `${partition.prefix}:replay:${pipeline}`,
  side: "replay",
});

/** Which of `partitions` an event with this key belongs to: xxhash64(key) mod `partitions`. */
export const partitionIndex = (key: string, partitions: number): number => Number(xxhash64(key) % BigInt(partitions));

/** The names of a partition's side keys. */
export const keys = {
  lease: (partition: Partition, pipeline: string) => `${partition.prefix}:lease:${pipeline}`,
  ledger: (partition: Partition, pipeline: string) => `${partition.prefix}:ledger:${pipeline}`,
  states: (partition: Partition, pipeline: string) => `${partition.prefix}:state:${pipeline}`,
  timers: (partition: Partition, pipeline: string, { stage, clock }: { readonly stage: string; readonly clock: string }) =>
    `${partition.prefix}:timers:${pipeline}:${clock}:${stage}`,
  seen: (partition: Partition, pipeline: string, set: string) => `${partition.prefix}:seen:${pipeline}:${set.replace("\n", ":")}`,
  /** A page of the names of events that the pipeline has taken. */
  names: (partition: Partition, pipeline: string, page: number) => `${partition.prefix}:names:${pipeline}:${page}`,
  /** How many events the entries hold that were given out and not settled, where it is not one. */
  open: (partition: Partition, pipeline: string) =>
    `${partition.prefix}:${partition.side === "replay" ? "replay-open" : "open"}:${pipeline}`,
  outbox: (partition: Partition, pipeline: string) => `${partition.prefix}:outbox:${pipeline}`,
  /** Ids of derived events that are in this log, though no commit of their outbox made them. */
  strays: (partition: Partition, producer: string) => `${partition.prefix}:strays:${producer}`,
  /** What the states of a pipeline follow from, where it was last deployed; beside the first partition of its stream alone. */
  stages: (partition: Partition, pipeline: string) => `${partition.prefix}:stages:${pipeline}`,
  /** The schemas of the stream's events, where they were last deployed; beside its first partition alone. */
  schemas: (partition: Partition) => `${partition.prefix}:schemas`,
  meta: (partition: Partition) => `${partition.prefix}:meta`,
  deadLetters: (partition: Partition) => `${partition.prefix}:dlq`,
  producers: (partition: Partition) => `${partition.prefix}:prod`,
};

/** A tag that puts side keys in the slot of `key`: Redis hashes what stands between the first pair of braces, else the whole key. */
function slotTag(key: string): string {
  const tagged = /\{([^}]+)\}/.exec(key);
  return tagged ? `{${tagged[1]}}:${key}` : `{${key}}`;
}

/** What the names of outboxes begin with: they are the producers that are never forgotten. */
export const outboxPrefix = "outbox/";

/** The name under which an outbox stores its frames. */
export const outboxProducer = (partition: Partition, pipeline: string): string => `${outboxPrefix}${pipeline}/${partition.name}`;
