export interface CartData {
  readonly cartId: string;
  readonly userId?: string;
  readonly sku?: string;
  readonly quantity?: number;
  readonly unitPriceCents?: number;
  readonly checkoutId?: string;
  readonly paymentToken?: string;
}

interface Arrival {
  readonly id: string;
  readonly type: string;
  readonly at: number;
  readonly data: CartData;
}

interface Cart {
  userId: string;
  status: "open" | "frozen" | "checked out" | "abandoned";
  checkoutId: string;
  readonly undone: Set<string>;
  readonly items: Map<string, { readonly quantity: number; readonly cents: number }>;
  readonly known: Set<string>;
}

/** What the shop's carts come to, told by a clerk who goes through the events in their order with pen and paper. */
export function cartBooks(arrivals: readonly Arrival[]) {
  const carts = new Map<string, Cart>();
  const history: string[] = [];
  const checkouts = new Set<string>();
  for (const arrival of arrivals) {
    const { id, type, at, data } = arrival;
    const cart = carts.get(data.cartId) ?? newCart();
    if (cart.known.has(id)) continue;
    // Also what nothing came of: it does not come true when it is sent again.
    cart.known.add(id);
    carts.set(data.cartId, cart);
    const verdict = take(cart, arrival);
    if (verdict === "nothing") continue;
    const reason = verdict === "taken" ? "" : verdict.reason;
    if (type === "cart.checkout_requested" && reason === "") checkouts.add(`checkout/${data.checkoutId}`);
    const told = reason === "" ? type : type === "cart.checkout_requested" ? "cart.checkout_refused" : "cart.item_rejected";
    const item = [data.sku ?? "", data.quantity ?? 0, data.unitPriceCents ?? 0];
    history.push([id, data.cartId, data.userId ?? "", told, ...item, data.checkoutId ?? "", reason, at].join("|"));
  }
  const held = ({ items }: Cart) => [...items].map(([sku, { quantity, cents }]) => `${sku} ${quantity} ${cents}`).join();
  return {
    history,
    checkouts: [...checkouts],
    carts: [...carts].map(([cartId, cart]) =>
      [cartId, cart.userId, cart.status, cart.checkoutId, [...cart.undone].join(), held(cart)].join("|"),
    ),
  };
}

const newCart = (): Cart => ({
  ...{ userId: "", status: "open", checkoutId: "" },
  ...{ undone: new Set(), items: new Map(), known: new Set() },
});

const refused = (reason: string) => ({ reason });
const closed = { frozen: "a checkout is under way", "checked out": "checked out", abandoned: "abandoned" };

function take(cart: Cart, { type, data }: Arrival): "taken" | "nothing" | { readonly reason: string } {
  const { checkoutId = "", sku = "", quantity = 0 } = data;
  if (type === "cart.created") {
    if (cart.userId !== "") return "nothing";
    cart.userId = data.userId ?? "";
    return "taken";
  }
  if (type === "cart.abandoned") {
    if (cart.status !== "open") return "nothing";
    cart.status = "abandoned";
    return "taken";
  }
  if (type === "cart.checked_out" || type === "cart.unfrozen") {
    if (cart.status !== "frozen" || cart.checkoutId !== checkoutId) return "nothing";
    if (type === "cart.checked_out") {
      cart.status = "checked out";
      return "taken";
    }
    cart.status = "open";
    cart.checkoutId = "";
    cart.undone.add(checkoutId);
    return "taken";
  }
  if (type === "cart.checkout_requested") {
    if (cart.status !== "open") return cart.checkoutId === checkoutId ? "taken" : refused(closed[cart.status]);
    if (cart.undone.has(checkoutId)) return refused("this checkout was undone");
    cart.status = "frozen";
    cart.checkoutId = checkoutId;
    return "taken";
  }
  if (cart.status !== "open") return refused(closed[cart.status]);
  const there = cart.items.get(sku);
  const before = there?.quantity ?? 0;
  const isAdded = type === "cart.item_added";
  if (!isAdded && !there) return refused("not in the cart");
  if (type === "cart.item_removed" && quantity > before) return refused("more than the cart holds");
  const after = isAdded ? before + quantity : type === "cart.item_removed" ? before - quantity : quantity;
  if (!there && cart.items.size === 50) return refused("over 50 items");
  const all = [...cart.items.values()].reduce((sum, one) => sum + one.quantity, 0) - before + after;
  if (after > before && all > 200) return refused("over 200 in all");
  if (after === 0) cart.items.delete(sku);
  else cart.items.set(sku, { quantity: after, cents: isAdded ? (data.unitPriceCents ?? 0) : (there?.cents ?? 0) });
  return "taken";
}
