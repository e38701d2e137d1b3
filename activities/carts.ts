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

export interface CheckoutOfCart extends CartOfCheckout {
  /** That of the cart once "pay" was pressed; sagas that run since before it was told do without. */
  readonly version?: number | undefined;
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

const isFrozenBy = (cart: Cart | undefined, checkoutId: string) => cart?.status === "frozen" && cart.checkoutId === checkoutId;
const isSoldBy = (cart: Cart | undefined, checkoutId: string) => cart?.status === "checked out" && cart.checkoutId === checkoutId;
const isHeld = (cart: Cart | undefined, { checkoutId }: CartOfCheckout) =>
  isFrozenBy(cart, checkoutId) || isSoldBy(cart, checkoutId);
/** Whether the checkout may still get the cart. */
const isFree = (cart: Cart | undefined, { checkoutId }: CartOfCheckout) =>
  cart === undefined || (cart.status === "open" && !cart.undone?.includes(checkoutId));

const notFree = (cart: Cart | undefined, { cartId, checkoutId }: CartOfCheckout) =>
  ApplicationFailure.create({
    type: "CartNotFree",
    message: `cart '${cartId}' cannot be sold to '${checkoutId}': ${cart?.undone?.includes(checkoutId) ? "this checkout was undone before" : `it is ${cart?.status ?? "gone"}`}`,
    nonRetryable: true,
    category: "BENIGN",
  });

/** Rejects as long as the checkout does not have the cart: whoever asks is tried again. */
export async function checkHeld({ stateOf }: Pick<ActivityDeps, "stateOf">, checkout: CartOfCheckout): Promise<void> {
  const kept = await stateOf(cartState, checkout.cartId);
  if (isHeld(kept?.state, checkout)) return;
  throw new Error(
    `cart '${checkout.cartId}' is not frozen by '${checkout.checkoutId}' yet: the pipeline 'carts' is behind, or does not run`,
  );
}

/**
 * Carts live in the fold of the pipeline `carts`, which alone decides on them, in the order of their events. A saga tells a cart something
 * through its stream, and sees in its state what has come of it.
 */
export const cartActivities = ({ announce, stateOf, statesOf, untilState, now }: CartDeps) => {
  const giveUp = (id: string, cartId: string, version: number) => announce(carts, { id, ...cartAbandoned({ cartId, version }) });

  return {
    /**
     * Refuses a cart that the checkout cannot have. The press of "pay" has frozen it, in the pipeline that starts the saga, whose commit may
     * still be under way: what is kept is older than the press then, and is not waited for. `checkHeld` looks again before the order is
     * placed.
     */
    async freezeCart(_: string, { version, ...checkout }: CheckoutOfCart): Promise<void> {
      const cart = (await stateOf(cartState, checkout.cartId))?.state;
      const isOlder = version === undefined ? isFree(cart, checkout) : (cart?.version ?? 0) < version;
      if (!isOlder && !isHeld(cart, checkout)) throw notFree(cart, checkout);
    },

    /** Opens the cart again, where this checkout has frozen it; what another one has frozen stays so. */
    async unfreezeCart(key: string, { cartId, checkoutId }: CartOfCheckout): Promise<void> {
      await announce(carts, { id: key, ...cartUnfrozen({ cartId, checkoutId }) });
      await untilState(cartState, cartId, (cart) => !isFrozenBy(cart, checkoutId));
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
