import { setTimeout as sleep } from "node:timers/promises";
import { Context } from "@temporalio/activity";
import { ApplicationFailure } from "@temporalio/common";
import { type AnnouncementDeps, firstScheduled } from "./announcements.ts";

export interface CartDeps extends AnnouncementDeps {
  /** What a pipeline keeps for a key, as it was committed last, and when it was written, by the clock of its worker. */
  readonly stateOf: (
    pipeline: string,
    key: string,
  ) => Promise<{ readonly state: unknown; readonly updatedAt: number } | undefined>;
  /** All that a pipeline keeps, with its keys and when it was written, some at a time. */
  readonly statesOf: (pipeline: string) => AsyncIterable<readonly [key: string, state: unknown, updatedAt: number]>;
  /** By the clock of the server that keeps the carts, milliseconds since the epoch. Fails where it and ours are far apart. */
  readonly now: () => Promise<number>;
}

/** What sagas need to know of a cart's state, as the pipeline `carts` keeps it. */
export interface CartState {
  readonly status: "open" | "frozen" | "checked out" | "abandoned";
  readonly checkoutId?: string;
  readonly undone?: readonly string[];
  readonly version: number;
  /** When it was last touched by the customer's clock, milliseconds since the epoch. */
  readonly touchedAt: number;
}

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
/** How long one try looks for the pipeline to have come so far, milliseconds. */
const lookForMs = 5_000;

/**
 * Carts live in the fold of the pipeline `carts`, which alone decides on them, in the order of their events. A saga tells a cart something
 * through its stream, and sees in its state what has come of it.
 */
export const cartActivities = ({ announce, stateOf, statesOf, now }: CartDeps) => {
  const cartOf = async (cartId: string) => (await stateOf("carts", cartId))?.state as CartState | undefined;
  /** Looks at a cart until it is as it should be. Fails when it is not soon: the pipeline is behind, or does not run. */
  const until = async (cartId: string, what: string, holds: (cart: CartState | undefined) => boolean): Promise<void> => {
    const since = performance.now();
    for (let waitMs = 20; ; waitMs = Math.min(2 * waitMs, 500)) {
      if (holds(await cartOf(cartId))) return;
      if (performance.now() - since > lookForMs)
        throw new Error(`cart '${cartId}' is not ${what} yet: the pipeline 'carts' is behind, or does not run`);
      await sleep(waitMs, undefined, { signal: Context.current().cancellationSignal });
    }
  };
  const tell = (id: string, type: string, data: object) => announce("carts", { id, type, time: firstScheduled(), data });
  const isHeldBy = (cart: CartState | undefined, checkoutId: string) =>
    cart?.status === "frozen" && cart.checkoutId === checkoutId;

  return {
    /**
     * Makes sure that the cart is frozen by this checkout and no other. The press of "pay" has frozen it, in the pipeline that starts the
     * saga; here its commit is awaited.
     */
    async freezeCart(_: string, { cartId, checkoutId }: CartOfCheckout): Promise<void> {
      await until(cartId, `frozen by '${checkoutId}'`, (cart) => {
        if (isHeldBy(cart, checkoutId) || (cart?.status === "checked out" && cart.checkoutId === checkoutId)) return true;
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
      await tell(key, "cart.unfrozen", { cartId, checkoutId });
      await until(cartId, "open again", (cart) => !isHeldBy(cart, checkoutId));
    },

    async closeCart(key: string, { cartId, checkoutId }: CartOfCheckout): Promise<void> {
      await tell(key, "cart.checked_out", { cartId, checkoutId });
      await until(cartId, "checked out", (cart) => cart?.status === "checked out" && cart.checkoutId === checkoutId);
    },

    async lookAtCart(cartId: string): Promise<CartLook> {
      const kept = await stateOf("carts", cartId);
      if (!kept) return { status: "gone" };
      const cart = kept.state as CartState;
      if (cart.status !== "open") return { status: cart.status };
      return { status: "open", version: cart.version, leftMs: Math.max(0, kept.updatedAt + idleMs - (await now())) };
    },

    /** Gives a cart up as it was looked at; whoever has touched it meanwhile wins. True where it is given up. */
    async abandonCart(key: string, { cartId, version }: { readonly cartId: string; readonly version: number }): Promise<boolean> {
      await tell(`${key}/${version}`, "cart.abandoned", { cartId, version });
      let status: string | undefined;
      await until(cartId, "given up", (cart) => {
        status = cart?.status;
        return cart === undefined || cart.version !== version;
      });
      return status === "abandoned";
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
      for await (const [cartId, state, updatedAt] of statesOf("carts")) {
        Context.current().heartbeat(++looked);
        const { status, version, touchedAt } = state as CartState;
        const lastTouched = clock === "ours" ? updatedAt : touchedAt;
        if (status !== "open" || lastTouched + sweptAfterMs > sweptAt) continue;
        underWay.push(tell(`${key}/${cartId}/${version}`, "cart.abandoned", { cartId, version }));
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
