import { isIPv6 } from "node:net";
import { RetryableError } from "../core/errors.ts";
import type { Buckets } from "../limit/port.ts";
import type { DoorPlan } from "../plan/door.ts";
import { rateOf } from "../plan/guards.ts";

/** How many events of a request its sender may send now. */
export interface SenderGrant {
  readonly granted: number;
  /** When there is room for another one, seconds; 0 where all were granted. */
  readonly retryAfter: number;
  /** The headers that say so: draft-ietf-httpapi-ratelimit-headers-10. */
  readonly headers: Readonly<Record<"ratelimit" | "ratelimit-policy", string>>;
}

/** Asks for events of an address; `undefined` where no limit holds. */
export type SenderLimit = (address: string, events: number) => Promise<SenderGrant | undefined>;

/** The limit of a stream's door, shared by all collectors on one Redis. While that is away it lets everything through: nothing is stored then. */
export function senderLimit(stream: string, { rateLimit }: DoorPlan, buckets: Buckets): SenderLimit {
  if (!rateLimit) return async () => undefined;
  const rate = rateOf(rateLimit);
  const seconds = Math.max(1, Math.ceil(rate.burst / rate.perSecond));
  return async (address, events) => {
    try {
      const { granted, waitMs, left } = await buckets.take(`door:${stream}:${networkOf(address)}`, rate, events);
      const retryAfter = Math.ceil(waitMs / 1_000);
      const headers = {
        "ratelimit-policy": `"events";q=${rate.burst};w=${seconds}`,
        "ratelimit": `"events";r=${left};t=${Math.max(1, retryAfter)}`,
      };
      return { granted, retryAfter, headers };
    } catch (error) {
      if (error instanceof RetryableError) return undefined;
      throw error;
    }
  };
}

/** Whoever has one address of IPv6 has the 2^64 beside it. */
function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:/i, "");
  if (!isIPv6(plain)) return plain;
  const [head = "", tail = ""] = (plain.split("%")[0] as string).split("::");
  const [before, after] = [head, tail].map((part) => (part === "" ? [] : part.split(":")));
  const zeros = plain.includes("::") ? 8 - (before?.length ?? 0) - (after?.length ?? 0) : 0;
  return [...(before ?? []), ...Array.from({ length: zeros }, () => "0"), ...(after ?? [])].slice(0, 4).join(":");
}
