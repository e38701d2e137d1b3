import { saga } from "headrace/saga";
import type { Activities } from "../activities/index.ts";

export interface CheckoutInput {
  readonly checkoutId: string;
  readonly cartId: string;
  readonly userId: string;
  readonly paymentToken: string;
  /** That of the cart once "pay" was pressed; pipelines of before did not say it. */
  readonly version?: number;
  /** What the cart held when "pay" was pressed. */
  readonly lines: readonly { readonly sku: string; readonly quantity: number; readonly unitPriceCents: number }[];
}

/**
 * Sells a cart: the cart is frozen, stock and money are held, the order is placed, then both are taken and the cart is closed; a refusal
 * on the way gives all of it back.
 */
export const checkout = saga<CheckoutInput, Activities>("checkout")
  .step("freeze", {
    do: ({ input: { cartId, checkoutId, version }, key, call }) => call.freezeCart(key, { cartId, checkoutId, version }),
    undo: ({ input: { cartId, checkoutId }, key, call }) => call.unfreezeCart(key, { cartId, checkoutId }),
  })
  .read("quote", ({ input, key, call }) => call.quote(key, input.lines))
  .step("stock", {
    do: ({ input, key, call }) => call.reserveStock(key, input.lines),
    undo: ({ key, call }) => call.releaseStock(key),
  })
  .step("payment", {
    do: ({ input, done, key, call }) => call.authorisePayment(key, { token: input.paymentToken, cents: done.quote.totalCents }),
    undo: ({ key, call }) => call.voidPayment(key),
  })
  .pivot("order", {
    do: ({ input: { checkoutId, cartId, userId }, done, key, call }) =>
      call.placeOrder(key, { checkoutId, cartId, userId, totalCents: done.quote.totalCents }),
    undo: ({ key, call }) => call.cancelOrder(key),
  })
  .then("capture", ({ keyOf, call }) => call.capturePayment(keyOf("payment")))
  .then("stock-sold", ({ keyOf, call }) => call.sellStock(keyOf("stock")))
  .then("close-cart", ({ input: { cartId, checkoutId }, key, call }) => call.closeCart(key, { cartId, checkoutId }))
  .then("announce", ({ input: { cartId, userId }, done, key, call }) =>
    call.announceOrder(key, { ...done.order, cartId, userId }),
  )
  .whenUndone(({ input: { checkoutId, cartId, userId }, refusal, key, call }) =>
    call.announceRefusal(key, { checkoutId, cartId, userId, reason: refusal.type }),
  )
  .returns(({ done }) => ({ orderId: done.order.orderId }));
