/** What a collector takes for a stream, and how far. */
export interface DoorPlan {
  /** What a request may measure on the wire, bytes. */
  readonly maxBytes: number;
  /** What a request may measure once it is inflated, bytes. */
  readonly maxInflatedBytes: number;
  /** How many events a request may hold. */
  readonly maxEvents: number;
  /** What an event may measure as JSON, bytes. */
  readonly maxEventBytes: number;
  /** The origins of pages that may send, such as `https://shop.example`. Programs that are no browser send no origin, and may. */
  readonly origins: readonly string[];
  /** Events a second of each address, over all collectors. */
  readonly rateLimit?: { readonly perSecond: number; readonly burst?: number };
  /** What `stored` stands for. */
  readonly durability: "memory" | "fsync" | "replica";
}

/** The limits of a stream whose definition says nothing of them. */
export const defaultDoor: DoorPlan = {
  maxBytes: 1024 * 1024,
  maxInflatedBytes: 10 * 1024 * 1024,
  maxEvents: 1_000,
  maxEventBytes: 256 * 1024,
  origins: [],
  durability: "memory",
};
