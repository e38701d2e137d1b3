import { defineEvent } from "headrace";
import { z } from "zod";

/** The events of the reference application. sshd logs hold empty names, so a user id may be empty. */
const userId = z.string().max(256);
const text = z.string().max(256);
const ip = z.string().max(64);
const cartId = z.string().min(1).max(128);
const sku = z.string().min(1).max(128);
const cents = z.int().nonnegative();
const quantity = z.int().positive();

const byUser = { key: (data: { readonly userId: string }) => data.userId };
const byCart = { key: (data: { readonly cartId: string }) => data.cartId };
const byOrder = { key: (data: { readonly orderId: string }) => data.orderId };

export const loginSucceeded = defineEvent(
  "login.succeeded",
  z.object({ userId, sessionId: text, ip, method: text.optional(), device: text.optional(), country: text.optional() }),
  byUser,
);
export const loginFailed = defineEvent(
  "login.failed",
  z.object({ userId, ip, reason: text.optional(), method: text.optional() }),
  byUser,
);
export const loginEnded = defineEvent("login.ended", z.object({ userId, sessionId: text, ip: ip.optional() }), byUser);

/** A failed login, noted with one of those whom it may be an attack on, or by. */
export const failureNoted = defineEvent("login.failure_noted", z.object({ kind: z.enum(["user", "address"]), subject: userId }), {
  key: ({ kind, subject }) => `${kind}/${subject}`,
});

/** A burst of failures: of one user, or from one address. `since` is RFC 3339. */
export const attackSuspected = defineEvent(
  "login.attack_suspected",
  z.object({ userId: userId.optional(), ip: ip.optional(), since: text, failures: z.int().positive() }),
  { key: ({ userId = "", ip = "" }) => userId || ip },
);

export const cartCreated = defineEvent("cart.created", z.object({ cartId, userId }), byCart);
export const itemAdded = defineEvent("cart.item_added", z.object({ cartId, sku, quantity, unitPriceCents: cents }), byCart);
export const itemRemoved = defineEvent("cart.item_removed", z.object({ cartId, sku, quantity }), byCart);
export const quantityChanged = defineEvent(
  "cart.quantity_changed",
  z.object({ cartId, sku, quantity: z.int().nonnegative() }),
  byCart,
);
export const checkoutRequested = defineEvent(
  "cart.checkout_requested",
  z.object({ cartId, checkoutId: z.string().min(1).max(128), paymentToken: z.string().min(1).max(256) }),
  byCart,
);

/** A checkout has bought what the cart held. */
export const cartCheckedOut = defineEvent(
  "cart.checked_out",
  z.object({ cartId, checkoutId: z.string().min(1).max(128) }),
  byCart,
);
/** A checkout was undone: the cart takes edits again. */
export const cartUnfrozen = defineEvent("cart.unfrozen", z.object({ cartId, checkoutId: z.string().min(1).max(128) }), byCart);
/** Nobody has touched the cart for long. */
export const cartAbandoned = defineEvent(
  "cart.abandoned",
  z.object({
    cartId,
    /** The version that was looked at: a cart that somebody has touched since is not given up. */
    version: z.int().nonnegative().optional(),
  }),
  byCart,
);

const order = { orderId: text, checkoutId: text, cartId, userId };
export const orderPlaced = defineEvent("order.placed", z.object({ ...order, totalCents: cents }), byOrder);
export const orderRefused = defineEvent("order.refused", z.object({ ...order, reason: text }), byOrder);
