import { type Dropped, drop, type Event, type EventOf } from "headrace";
import type { cartCreated, checkoutRequested, itemAdded, itemRemoved, quantityChanged } from "./events.ts";

export type CartEvent = EventOf<
  typeof cartCreated | typeof itemAdded | typeof itemRemoved | typeof quantityChanged | typeof checkoutRequested
>;

export interface Line {
  readonly sku: string;
  readonly quantity: number;
  readonly unitPriceCents: number;
}

export interface Cart {
  readonly userId: string;
  readonly lines: readonly Line[];
  /** Ids of the events that were applied, the newest last: one that comes again changes nothing. */
  readonly seen: readonly string[];
}

export const emptyCart: Cart = { userId: "", lines: [], seen: [] };

/** A cart holds this many distinct items, and this many in all. */
export const capacity = { items: 50, quantity: 200 } as const;
const remembered = 500;

/** An event that the cart did not take, with the reason. */
export type ItemRejected = Event<
  "cart.item_rejected",
  { readonly cartId: string; readonly sku: string; readonly quantity: number; readonly reason: string }
>;
/** A checkout with what the cart held at that moment. */
export interface Checkout extends Event<"cart.checkout_requested", EventOf<typeof checkoutRequested>["data"]> {
  readonly cart: Cart;
}
export type CartChange = Exclude<CartEvent, { readonly type: "cart.checkout_requested" }> | ItemRejected | Checkout;

/** What becomes of an event, given the cart: it is taken, or rejected with a reason, or it was there before. */
export function decideCart(cart: Cart, event: CartEvent): readonly CartChange[] | Dropped {
  if (cart.seen.includes(event.id)) return drop("duplicate");
  switch (event.type) {
    case "cart.created":
      return [event];
    case "cart.checkout_requested":
      return [{ ...event, cart }];
    case "cart.item_added":
    case "cart.item_removed":
    case "cart.quantity_changed": {
      const reason = refusalOf(cart, event);
      return [reason ? { ...event, type: "cart.item_rejected", data: { ...event.data, reason } } : event];
    }
    default:
      return event satisfies never;
  }
}

/** The cart after a change. */
export function evolveCart(cart: Cart, change: CartChange): Cart {
  const seen = [...cart.seen, change.id].slice(-remembered);
  switch (change.type) {
    case "cart.created":
      return { ...cart, seen, userId: cart.userId || change.data.userId };
    case "cart.item_added":
    case "cart.item_removed":
    case "cart.quantity_changed":
      return { ...cart, seen, lines: changeLines(cart.lines, change) };
    case "cart.item_rejected":
    case "cart.checkout_requested":
      return { ...cart, seen };
    default:
      return change satisfies never;
  }
}

export const totalCents = (lines: readonly Line[]): number =>
  lines.reduce((sum, line) => sum + line.quantity * line.unitPriceCents, 0);

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
  // The price is the one of the latest addition.
  const unitPriceCents = event.type === "cart.item_added" ? event.data.unitPriceCents : (known?.unitPriceCents ?? 0);
  if (!known) return [...lines, { sku, quantity: after, unitPriceCents }];
  if (after <= 0) return lines.filter((line) => line !== known);
  return lines.map((line) => (line === known ? { sku, quantity: after, unitPriceCents } : line));
}
