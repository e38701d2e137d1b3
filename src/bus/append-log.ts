import type { Durability } from "./durability.ts";
import type { Partition } from "./partition.ts";

/** A frame before its producer numbers it. */
export type UnnumberedFrame = Omit<Frame, "producer" | "incarnation" | "sequence">;

/** A frame ready to be stored; see frame.ts for its body. */
export interface Frame {
  readonly producer: string;
  /** Grows when a producer starts again under its old id: its numbers then begin anew at 0. */
  readonly incarnation: number;
  /** Number of the frame among this producer's frames to this partition, from 0, without gaps. */
  readonly sequence: number;
  readonly count: number;
  readonly codec: "j" | "jz";
  /** Earliest and latest event time, milliseconds since the epoch. */
  readonly minTime: number;
  readonly maxTime: number;
  readonly checksum: string;
  readonly body: Buffer;
}

export type Appended =
  | { readonly kind: "stored"; readonly entry: string }
  /** This frame was stored before. */
  | { readonly kind: "duplicate" }
  /** Frames between the last stored one and this one are missing: send them first. */
  | { readonly kind: "gap"; readonly last: number }
  /** A larger incarnation has begun under this producer's name. This call stored nothing; an earlier one may have. */
  | { readonly kind: "superseded"; readonly incarnation: number };

/** What a producer asks of the log. */
export interface AppendLog {
  /**
   * Stores a frame once, however often it is appended.
   * @throws RetryableError when it is not known to be stored (`bus.full`: it is not): append the same frame again;
   *   ConfigError when waiting will not help
   */
  append(partition: Partition, frame: Frame, durability?: Durability): Promise<Appended>;
  /**
   * Resolves when frames can be appended at this level.
   * @throws ConfigError when the server cannot give it, RetryableError when it cannot at present
   */
  checkDurability(durability: Durability): Promise<void>;
  /** Adds to the count of events that were stored and are gone from Redis, for the audit. Resolves with the count. */
  tellVanished(partition: Partition, events: number): Promise<number>;
}
