import type { CartEvent } from "./emission.ts";

export interface OrderTruth {
  /** `refused` where the payment is declined or an item is sold out: such a checkout comes out undone. */
  readonly outcome: "placed" | "refused";
  readonly cartId: string;
  readonly totalCents: number;
}

/** What is in each cart, and what became of those that went to the till. To be given cart events in the order they happened. */
export function createOrderTruth() {
  const carts = new Map<string, Map<string, { quantity: number; unitPriceCents: number }>>();
  const orders = new Map<string, OrderTruth>();

  const itemsOf = (cartId: string) => {
    const items = carts.get(cartId) ?? new Map<string, { quantity: number; unitPriceCents: number }>();
    carts.set(cartId, items);
    return items;
  };
  const record = (event: CartEvent): void => {
    switch (event.type) {
      case "cart.created":
        return;
      case "cart.item_added": {
        const { cartId, sku, quantity, unitPriceCents } = event.data;
        const held = itemsOf(cartId).get(sku)?.quantity ?? 0;
        itemsOf(cartId).set(sku, { quantity: held + quantity, unitPriceCents });
        return;
      }
      case "cart.quantity_changed":
      case "cart.item_removed": {
        const { cartId, sku, quantity } = event.data;
        const item = itemsOf(cartId).get(sku);
        if (item === undefined) return;
        item.quantity = event.type === "cart.item_removed" ? item.quantity - quantity : quantity;
        if (item.quantity <= 0) itemsOf(cartId).delete(sku);
        return;
      }
      case "cart.checkout_requested": {
        const { cartId, checkoutId, paymentToken } = event.data;
        const items = itemsOf(cartId);
        let totalCents = 0;
        for (const { quantity, unitPriceCents } of items.values()) totalCents += quantity * unitPriceCents;
        const isUndone = paymentToken === "tok_declined" || items.has("sold-out");
        orders.set(checkoutId, { outcome: isUndone ? "refused" : "placed", cartId, totalCents });
        carts.delete(cartId);
        return;
      }
    }
  };
  return { record, orders: orders as ReadonlyMap<string, OrderTruth> };
}
