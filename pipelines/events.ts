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

const order = { orderId: text, checkoutId: text, cartId, userId };
export const orderPlaced = defineEvent("order.placed", z.object({ ...order, totalCents: cents }), byOrder);
export const orderRefused = defineEvent("order.refused", z.object({ ...order, reason: text }), byOrder);
