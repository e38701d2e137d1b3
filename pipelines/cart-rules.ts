import type { Event, EventOf } from "headrace";
import type * as events from "./events.ts";

export type CartEvent = EventOf<
  | typeof events.cartCreated
  | typeof events.itemAdded
  | typeof events.itemRemoved
  | typeof events.quantityChanged
  | typeof events.checkoutRequested
  | typeof events.cartCheckedOut
  | typeof events.cartUnfrozen
  | typeof events.cartAbandoned
>;

export interface Line {
  readonly sku: string;
  readonly quantity: number;
  readonly unitPriceCents: number;
}

/**
 * `open`: takes edits. `frozen`: a checkout is under way, whose id stands beside it; it ends as `checked out`, or the cart is opened again.
 * `abandoned`: nobody has touched it for long.
 */
export type CartStatus = "open" | "frozen" | "checked out" | "abandoned";

export interface Cart {
  readonly status: CartStatus;
  /** The checkout that has frozen it, or bought it. */
  readonly checkoutId?: string;
  /** Checkouts that were undone, the newest last. */
  readonly undone?: readonly string[];
  readonly userId: string;
  readonly lines: readonly Line[];
  /** How many changes it has taken. */
  readonly version: number;
  /** The time of the newest of them by the customer's clock, milliseconds since the epoch. */
  readonly touchedAt: number;
}

export const emptyCart: Cart = { status: "open", userId: "", lines: [], version: 0, touchedAt: 0 };

/**
 * Carts of the first form had no version. One that nobody touches any more is looked at as if it were very old. Up to the second form they
 * remembered the events that they had taken: the pipeline does so now.
 */
export function migrateCart(cart: unknown): Cart {
  const { seen: _, ...kept } = cart as Cart & { readonly seen?: readonly string[] };
  return { ...emptyCart, ...kept };
}

/** A cart holds this many distinct items, and this many in all. */
export const capacity = { items: 50, quantity: 200 } as const;
const rememberedCheckouts = 20;

/** An edit that the cart did not take, with the reason. */
export type ItemRejected = Event<
  "cart.item_rejected",
  { readonly cartId: string; readonly sku: string; readonly quantity: number; readonly reason: string }
>;
/** A press of "pay" that begins no checkout, with the reason. */
export type CheckoutRefused = Event<
  "cart.checkout_refused",
  { readonly cartId: string; readonly checkoutId: string; readonly reason: string }
>;
/** An event that changes nothing, and leaves no row. */
export type Ignored = Event<"cart.ignored", { readonly cartId: string; readonly reason: string }>;
/** A checkout with what the cart held at that moment. */
export interface Checkout extends Event<"cart.checkout_requested", EventOf<typeof events.checkoutRequested>["data"]> {
  readonly cart: Cart;
}
export type CartChange =
  | Exclude<CartEvent, { readonly type: "cart.checkout_requested" }>
  | ItemRejected
  | Ignored
  | Checkout
  | CheckoutRefused;

/** What becomes of an event, given the cart: it is taken, rejected or ignored with a reason. */
export function decideCart(cart: Cart, event: CartEvent): readonly CartChange[] {
  switch (event.type) {
    case "cart.created":
      return [cart.userId === "" ? event : ignored(event, "created before")];
    case "cart.checkout_requested": {
      const { cartId, checkoutId } = event.data;
      const reason = checkoutRefusalOf(cart, checkoutId);
      return [reason ? { ...event, type: "cart.checkout_refused", data: { cartId, checkoutId, reason } } : { ...event, cart }];
    }
    case "cart.item_added":
    case "cart.item_removed":
    case "cart.quantity_changed": {
      const reason = cart.status === "open" ? refusalOf(cart, event) : isNot[cart.status];
      return [reason ? { ...event, type: "cart.item_rejected", data: { ...event.data, reason } } : event];
    }
    case "cart.checked_out":
    case "cart.unfrozen":
      // Another checkout's end is none of this one's.
      return [cart.status === "frozen" && cart.checkoutId === event.data.checkoutId ? event : ignored(event, "not frozen by it")];
    case "cart.abandoned":
      if (cart.status !== "open") return [ignored(event, "not open")];
      // Whoever has touched it meanwhile wins.
      return [(event.data.version ?? cart.version) === cart.version ? event : ignored(event, "touched meanwhile")];
    default:
      return event satisfies never;
  }
}

const ignored = (event: CartEvent, reason: string): Ignored => ({
  ...event,
  type: "cart.ignored",
  data: { cartId: event.data.cartId, reason },
});

/** The cart after a change. */
export function evolveCart(before: Cart, change: CartChange): Cart {
  if (changesNothing(change)) return before;
  const touchedAt = Math.max(before.touchedAt, change.time.getTime());
  const cart = { ...before, touchedAt, version: before.version + 1 };
  switch (change.type) {
    case "cart.created":
      return { ...cart, userId: change.data.userId };
    case "cart.item_added":
    case "cart.item_removed":
    case "cart.quantity_changed":
      return { ...cart, lines: changeLines(cart.lines, change) };
    case "cart.checkout_requested":
      // One that is asked for again changes nothing.
      return cart.status === "open" ? { ...cart, status: "frozen", checkoutId: change.data.checkoutId } : cart;
    case "cart.checked_out":
      return { ...cart, status: "checked out" };
    case "cart.unfrozen": {
      const { checkoutId: _, ...open } = cart;
      const undone = [...(cart.undone ?? []), change.data.checkoutId].slice(-rememberedCheckouts);
      return { ...open, undone, status: "open" };
    }
    case "cart.abandoned":
      return { ...cart, status: "abandoned" };
    default:
      return change satisfies never;
  }
}

const changesNothing = (change: CartChange): change is ItemRejected | CheckoutRefused | Ignored =>
  change.type === "cart.item_rejected" || change.type === "cart.checkout_refused" || change.type === "cart.ignored";

/** The version that the cart has once it has taken a checkout. */
export const frozenVersion = ({ cart }: Checkout): number => cart.version + 1;

/** Why a cart that is not open takes no edit and no checkout. */
const isNot: Readonly<Record<Exclude<CartStatus, "open">, string>> = {
  "frozen": "a checkout is under way",
  "checked out": "checked out",
  "abandoned": "abandoned",
};

export const totalCents = (lines: readonly Line[]): number =>
  lines.reduce((sum, line) => sum + line.quantity * line.unitPriceCents, 0);

/** The same press of "pay" may be asked for again: it is still one checkout. One that was undone is over. */
function checkoutRefusalOf({ status, checkoutId, undone = [] }: Cart, asked: string): string | undefined {
  if (status === "open") return undone.includes(asked) ? "this checkout was undone" : undefined;
  return checkoutId === asked ? undefined : isNot[status];
}

type ItemEvent = Extract<CartEvent, { readonly type: "cart.item_added" | "cart.item_removed" | "cart.quantity_changed" }>;

function refusalOf(cart: Cart, event: ItemEvent): string | undefined {
  const line = cart.lines.find(({ sku }) => sku === event.data.sku);
  if (event.type !== "cart.item_added" && !line) return "not in the cart";
  if (event.type === "cart.item_removed" && (line?.quantity ?? 0) < event.data.quantity) return "more than the cart holds";
  const lines = changeLines(cart.lines, event);
  if (lines.length > capacity.items && lines.length > cart.lines.length) return `over ${capacity.items} items`;
  const count = (all: readonly Line[]) => all.reduce((sum, { quantity }) => sum + quantity, 0);
  if (count(lines) > capacity.quantity && count(lines) > count(cart.lines)) return `over ${capacity.quantity} in all`;
  return undefined;
}

function changeLines(lines: readonly Line[], event: ItemEvent): readonly Line[] {
  const { sku, quantity } = event.data;
  const known = lines.find((line) => line.sku === sku);
  const before = known?.quantity ?? 0;
  const after =
    event.type === "cart.item_added" ? before + quantity : event.type === "cart.item_removed" ? before - quantity : quantity;
  // A line has one price: what the customer was last shown when adding to it. A change of quantity shows none, and keeps it. Whether it
  // still holds, the catalogue says when the cart is bought: a stale page cannot buy at an old price.
  const unitPriceCents = event.type === "cart.item_added" ? event.data.unitPriceCents : (known?.unitPriceCents ?? 0);
  if (!known) return [...lines, { sku, quantity: after, unitPriceCents }];
  if (after <= 0) return lines.filter((line) => line !== known);
  return lines.map((line) => (line === known ? { sku, quantity: after, unitPriceCents } : line));
}
