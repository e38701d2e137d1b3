import type { CartEvent, Plan } from "./emission.ts";
import { delayMs, eventId } from "./login-stories.ts";
import type { People } from "./people.ts";
import type { Random } from "./random.ts";

/** How a cart ends: given up, or with a checkout that succeeds, is declined, or finds an item sold out. */
export type CartEnd = "abandoned" | "paid" | "declined" | "sold out";

/** The most events one cart has: created, six items, three edits, a checkout. */
export const maxCartEvents = 11;

const skuCount = 500;
const soldOut = { sku: "sold-out", unitPriceCents: 1_500 };

/** Every sku has one price all day long, so no checkout is refused for a changed one. */
const product = (n: number) => ({ sku: `sku-${String(n).padStart(4, "0")}`, unitPriceCents: 199 + ((n * 7_919) % 20_000) });

/**
 * The life of one cart. Its events are sent in the order they happened; when one is late, the rest is late with it.
 * It stays far below a cart's capacity, and every edit is of an item it holds, so nothing of it is rejected.
 */
export function cartStory(random: Random, people: People, { at, end }: { readonly at: number; readonly end: CartEnd }): Plan[] {
  const cartId = `c-${random.hex(16)}`;
  const quantities = new Map<string, number>();
  const plans: Plan[] = [];
  let time = at;
  let sendAt = at;

  const say = (build: (base: { readonly id: string; readonly time: Date }) => CartEvent): void => {
    const event = build({ id: eventId(random), time: new Date(time) });
    sendAt = Math.max(sendAt + 1, time + delayMs(random));
    plans.push({ sendAt, event, isFirst: true, emission: { kind: "event", stream: "carts", event } });
    time += random.int(500, 90_000);
  };
  const add = ({ sku, unitPriceCents }: { readonly sku: string; readonly unitPriceCents: number }): void => {
    const quantity = random.int(1, 4);
    quantities.set(sku, (quantities.get(sku) ?? 0) + quantity);
    say((base) => ({ ...base, type: "cart.item_added", data: { cartId, sku, quantity, unitPriceCents } }));
  };

  say((base) => ({ ...base, type: "cart.created", data: { cartId, userId: people.active(random).userId } }));
  if (end === "sold out") add(soldOut);
  const items = random.int(1, 5);
  for (let n = 0; n < items; n++) add(product(random.int(1, skuCount)));
  const edits = random.int(0, 3);
  for (let n = 0; n < edits; n++) {
    const sku = random.pick([...quantities.keys()]);
    // The last item stays, and so does the one that must be found sold out.
    if (random.chance(0.4) && quantities.size > 1 && sku !== soldOut.sku) {
      const quantity = quantities.get(sku) ?? 0;
      quantities.delete(sku);
      say((base) => ({ ...base, type: "cart.item_removed", data: { cartId, sku, quantity } }));
    } else {
      const quantity = random.int(1, 6);
      quantities.set(sku, quantity);
      say((base) => ({ ...base, type: "cart.quantity_changed", data: { cartId, sku, quantity } }));
    }
  }
  if (end !== "abandoned") {
    const paymentToken = end === "declined" ? "tok_declined" : `tok_${random.hex(12)}`;
    const checkoutId = `pay-${random.hex(16)}`;
    say((base) => ({ ...base, type: "cart.checkout_requested", data: { cartId, checkoutId, paymentToken } }));
  }
  return plans;
}

/** The end of the `index`-th of `count` checkouts: a tenth declined, a twentieth sold out, at least one of each, well spread. */
export function checkoutEnd(index: number, count: number): CartEnd {
  const declined = Math.max(1, Math.round(count / 10));
  const soldOutCount = Math.max(1, Math.round(count / 20));
  // Bresenham's line: `part` marks, evenly spread over `count` places.
  const isMark = (part: number, place: number) => Math.floor(((place + 1) * part) / count) > Math.floor((place * part) / count);
  if (isMark(declined, index)) return "declined";
  return isMark(soldOutCount, (index + 1) % count) ? "sold out" : "paid";
}
