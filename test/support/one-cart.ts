import type { CartDeps } from "../../activities/carts.ts";
import type { Cart, CartEvent } from "../../pipelines/cart-rules.ts";
import { RetryableError } from "../../src/core/errors.ts";
import type { AnnouncedDraft } from "../../src/host/announcer.ts";
import type { KeptOf } from "../../src/host/index.ts";

/** A cart without its pipeline. */
export interface OneCart {
  readonly kept: () => KeptOf<Cart> | undefined;
  /** Gets what is told to the cart, with its time. */
  readonly take: (event: CartEvent) => void;
  readonly now: () => number;
  /** What a sweep finds. @default this cart alone */
  readonly all?: () => Iterable<readonly [cartId: string, cart: Cart, updatedAt: number]>;
}

/** What activities see of it: it moves at once, so what does not hold is not waited for. */
export function depsOfCart({ kept, take, now, all = () => [] }: OneCart): CartDeps {
  const deps = {
    stateOf: async () => kept(),
    statesOf: async function* () {
      yield* all();
    },
    untilState: async (_: unknown, key: string, holds: (cart: Cart | undefined) => boolean) => {
      const found = kept();
      if (holds(found?.state)) return found;
      throw new RetryableError("state.behind", `cart '${key}' is not as it should be`);
    },
    announce: async (_: unknown, { time, ...draft }: AnnouncedDraft) =>
      take({ ...draft, time: time ?? new Date(now()) } as unknown as CartEvent),
    now: async () => now(),
  };
  // One kind of state and one stream, where the real ones take any.
  return deps as unknown as CartDeps;
}
