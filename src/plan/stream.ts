import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { Callback } from "./callback.ts";
import type { DoorPlan } from "./door.ts";

/** A type of event: its name, its schema and how its partition key is found. */
export interface EventPlan {
  readonly kind: "event";
  readonly type: string;
  readonly version: number;
  readonly schema: StandardSchemaV1;
  /** Brings data of a version to the next one, by the version that it comes from. */
  readonly upcast?: Readonly<Record<number, (data: unknown) => unknown>>;
  /** The partition key of an event's data; the empty string where none is declared. */
  readonly keyOf: Callback<[data: unknown], unknown>;
}

/** `partitioned`: P Redis streams of ours. `adopted`: one Redis stream that another program writes, read in place. */
export type StreamLayout =
  | { readonly kind: "partitioned"; readonly partitions: number }
  | { readonly kind: "adopted"; readonly redisKey: string; readonly reads?: EntryReading };

/** Where an entry that another program writes holds its event: in one field, or in all of them, which `read` knows. */
export type EntryReading =
  | { readonly kind: "field"; readonly field: string }
  | { readonly kind: "fields"; readonly read: (fields: Readonly<Record<string, string>>, id: string) => unknown };

/**
 * How much is kept of what every group has finished with, in each partition: what exceeds any of the limits goes, oldest first.
 * What a group has not read, or not acked, is kept whatever they say.
 */
export interface RetentionPlan {
  /** Kept for so long after it was stored, milliseconds; the time is that of the entry's id. */
  readonly maxAgeMs?: number;
  /** So many entries are kept; a frame is one. */
  readonly maxEntries?: number;
  /** So much memory is kept, bytes as Redis measures them (MEMORY USAGE), roughly. */
  readonly maxBytes?: number;
}

/**
 * How long the names of events are remembered that another program wrote, in each partition and by each pipeline: as long as both limits
 * say.
 */
export interface IdentityPlan {
  /** At least, milliseconds. */
  readonly rememberMs: number;
  /** Names at least. */
  readonly maxNames: number;
}

/** A stream, and what is kept of it. */
export interface StreamPlan {
  readonly kind: "stream";
  readonly name: string;
  readonly layout: StreamLayout;
  /** Nothing is ever removed where there is none. */
  readonly retention?: RetentionPlan;
  /** Events that are older than this when they are read are refused, milliseconds. @default 400 days */
  readonly maxAgeMs?: number;
  /** Names are not remembered where there is none. */
  readonly identity?: IdentityPlan;
  /** What a collector takes for it. @default the default door, unless a pipeline writes the stream */
  readonly door?: DoorPlan | "closed";
  readonly events: readonly EventPlan[];
}
