import type { AppendLog } from "./append-log.ts";
import type { LogOperations } from "./log-operations.ts";
import type { Partition } from "./partition.ts";
import type { PartitionLog, VanishedOf } from "./partition-log.ts";

export type { Appended, AppendLog, Frame, UnnumberedFrame } from "./append-log.ts";
export type { Fence, OwnerCounts, WentBack } from "./fence.ts";
export type { DeadLetter, GroupState, HeldBack, LogOperations, Trimmed, TrimRequest } from "./log-operations.ts";
export { maxDeadLetterBytes } from "./log-operations.ts";
export type {
  DerivedFrame,
  FrameLink,
  OutboxEntry,
  OutboxRecord,
  Relayed,
  RelayedFrame,
} from "./outboxes.ts";
export type {
  Acquired,
  Commit,
  DeadLetterDraft,
  Entry,
  LogEntry,
  PartitionLog,
  ReadRequest,
  ReadResult,
  VanishedOf,
  Watch,
} from "./partition-log.ts";
export { consumerName, deliveryLimits, suspectsTogether } from "./partition-log.ts";

/**
 * All that a driver of the log can do: Redis Streams, and the in-memory twin of the tests. Whoever uses it asks for the port that it
 * needs: AppendLog (producers), PartitionLog (owners of partitions), LogOperations (operators' verbs and housekeeping).
 */
export interface Bus extends AppendLog, PartitionLog, LogOperations {
  /** Adds to the count of events that are gone from Redis: `by` a pipeline, else by a producer. Resolves with the count. */
  tellVanished(partition: Partition, events: number, by?: VanishedOf): Promise<number>;
  close(): Promise<void>;
}
