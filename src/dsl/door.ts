import { type DoorPlan, defaultDoor } from "../plan/door.ts";
import { checkOptions, count, eventBytes, type OptionsShape, oneOf, optional, origins, positive } from "./check-options.ts";

/**
 * What a collector takes for a stream, and how far.
 *
 * @example
 * ```ts
 * const clicked = defineEvent("page.clicked", z.object({ page: z.string() }));
 * const clicks = defineStream("clicks", {
 *   events: [clicked],
 *   door: { origins: ["https://shop.example"], maxEvents: 200 },
 * });
 * ```
 */
export interface DoorOptions {
  /** What a request may measure on the wire, bytes. @default 1 MiB */
  readonly maxBytes?: number;
  /** What a request may measure once it is inflated, bytes. @default 10 MiB */
  readonly maxInflatedBytes?: number;
  /** How many events a request may hold. @default 1000 */
  readonly maxEvents?: number;
  /** What an event may measure as JSON, bytes, up to 256 kB. @default 256 kB */
  readonly maxEventBytes?: number;
  /** The origins of pages that may send, such as `https://shop.example`. What is no browser sends no origin, and may. @default none */
  readonly origins?: readonly string[];
  /**
   * Events a second of each address, over all collectors, and how many at once after a rest. Of IPv6 an address is the first half.
   * @default no limit; a burst of a tenth of a second
   */
  readonly rateLimit?: { readonly perSecond: number; readonly burst?: number };
  /** What `stored` stands for: in the memory of Redis, on its disk, or in the memory of a replica too. @default "memory" */
  readonly durability?: DoorPlan["durability"];
}

const shape: OptionsShape = {
  maxBytes: optional(count),
  maxInflatedBytes: optional(count),
  maxEvents: optional(count),
  maxEventBytes: optional(eventBytes),
  origins: optional(origins),
  rateLimit: { of: { perSecond: positive, burst: optional(count) } },
  durability: optional(oneOf("memory", "fsync", "replica")),
};

/** @throws ConfigError that names the option */
export function doorOf(options: DoorOptions | "closed" | undefined, where: string): { readonly door?: DoorPlan | "closed" } {
  if (options === undefined) return {};
  if (options === "closed") return { door: "closed" };
  checkOptions(`${where}: door`, options, shape);
  return { door: { ...defaultDoor, ...options } };
}
