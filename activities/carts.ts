import { Context } from "@temporalio/activity";
import { ApplicationFailure } from "@temporalio/common";
import type { StateOf } from "headrace";
import type { ActivityDeps } from "headrace/host";
import { cartAbandoned, cartCheckedOut, cartUnfrozen } from "../pipelines/events.ts";
import { cart as cartState, carts } from "../pipelines/streams.ts";

type Cart = StateOf<typeof cartState>;
/** What of the world carts need. */
export type CartDeps = Pick<ActivityDeps, "announce" | "stateOf" | "statesOf" | "untilState" | "now">;

/** A cart, for whoever watches it. `leftMs`: how long it may still lie untouched. */
export type CartLook =
  | { readonly status: "open"; readonly version: number; readonly leftMs: number }
  | { readonly status: "frozen" | "checked out" | "abandoned" | "gone" };

/** A checkout and its cart. */
export interface CartOfCheckout {
  readonly cartId: string;
  readonly checkoutId: string;
}

/** Which carts a sweep gives up. */
export interface CartSweepInput {
  /**
   * By which clock they have lain for long. `customers`: for carts of the past that were only just read, such as after a replay: our own
   * clock knows no more of them than that.
   * @default ours
   */
  readonly clock?: "ours" | "customers";
}

/**
 * A cart that lies untouched for so long is given up, milliseconds: since the pipeline has last taken something of it, by the clock of our
 * servers. The customers' own say nothing here: one that is two hours slow would have its cart given up while it is filled.
 */
const idleMs = 30 * 60_000;
/** The sweep leaves carts to their watches for so long, milliseconds. */
const sweptAfterMs = 2 * idleMs;
const announcedTogether = 500;

/**
 * Carts live in the fold of the pipeline `carts`, which alone decides on them, in the order of their events. A saga tells a cart something
 * through its stream, and sees in its state what has come of it.
 */
export const cartActivities = ({ announce, stateOf, statesOf, untilState, now }: CartDeps) => {
  const isHeldBy = (cart: Cart | undefined, checkoutId: string) => cart?.status === "frozen" && cart.checkoutId === checkoutId;
  const isSoldBy = (cart: Cart | undefined, checkoutId: string) =>
    cart?.status === "checked out" && cart.checkoutId === checkoutId;
  const giveUp = (id: string, cartId: string, version: number) => announce(carts, { id, ...cartAbandoned({ cartId, version }) });

  return {
    /**
     * Makes sure that the cart is frozen by this checkout and no other. The press of "pay" has frozen it, in the pipeline that starts the
     * saga; here its commit is awaited.
     */
    async freezeCart(_: string, { cartId, checkoutId }: CartOfCheckout): Promise<void> {
      await untilState(cartState, cartId, (cart) => {
        if (isHeldBy(cart, checkoutId) || isSoldBy(cart, checkoutId)) return true;
        if (cart === undefined || (cart.status === "open" && !cart.undone?.includes(checkoutId))) return false;
        const why = cart.status === "open" ? "this checkout was undone before" : `it is ${cart.status}`;
        throw ApplicationFailure.create({
          type: "CartNotFree",
          message: `cart '${cartId}' cannot be sold to '${checkoutId}': ${why}`,
          nonRetryable: true,
          category: "BENIGN",
        });
      });
    },

    /** Opens the cart again, where this checkout has frozen it; what another one has frozen stays so. */
    async unfreezeCart(key: string, { cartId, checkoutId }: CartOfCheckout): Promise<void> {
      await announce(carts, { id: key, ...cartUnfrozen({ cartId, checkoutId }) });
      await untilState(cartState, cartId, (cart) => !isHeldBy(cart, checkoutId));
    },

    async closeCart(key: string, { cartId, checkoutId }: CartOfCheckout): Promise<void> {
      await announce(carts, { id: key, ...cartCheckedOut({ cartId, checkoutId }) });
      await untilState(cartState, cartId, (cart) => isSoldBy(cart, checkoutId));
    },

    async lookAtCart(cartId: string): Promise<CartLook> {
      const kept = await stateOf(cartState, cartId);
      if (!kept) return { status: "gone" };
      const { status, version } = kept.state;
      if (status !== "open") return { status };
      return { status, version, leftMs: Math.max(0, kept.updatedAt + idleMs - (await now())) };
    },

    /** Gives a cart up as it was looked at; whoever has touched it meanwhile wins. True where it is given up. */
    async abandonCart(key: string, { cartId, version }: { readonly cartId: string; readonly version: number }): Promise<boolean> {
      await giveUp(`${key}/${version}`, cartId, version);
      const kept = await untilState(cartState, cartId, (cart) => cart?.version !== version);
      return kept?.state.status === "abandoned";
    },

    /** Gives up every cart that has lain for long; the pipeline decides on each. */
    async sweepCarts(
      key: string,
      { clock = "ours" }: CartSweepInput = {},
    ): Promise<{ readonly looked: number; readonly abandoned: number }> {
      let looked = 0;
      let abandoned = 0;
      let underWay: Promise<void>[] = [];
      const sweptAt = await now();
      for await (const [cartId, { status, version, touchedAt }, updatedAt] of statesOf(cartState)) {
        Context.current().heartbeat(++looked);
        const lastTouched = clock === "ours" ? updatedAt : touchedAt;
        if (status !== "open" || lastTouched + sweptAfterMs > sweptAt) continue;
        underWay.push(giveUp(`${key}/${cartId}/${version}`, cartId, version));
        abandoned++;
        if (underWay.length < announcedTogether) continue;
        await Promise.all(underWay);
        underWay = [];
      }
      await Promise.all(underWay);
      return { looked, abandoned };
    },
  };
};
