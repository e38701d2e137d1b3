import { participants, saga } from "headrace/saga";
import type { Activities } from "../activities/index.ts";

export interface CheckoutInput {
  readonly checkoutId: string;
  readonly cartId: string;
  readonly userId: string;
  readonly paymentToken: string;
  /** What the cart held when "pay" was pressed. */
  readonly lines: readonly { readonly sku: string; readonly quantity: number; readonly unitPriceCents: number }[];
}

const { bounded, unbounded } = participants<Activities>();

const totalCents = ({ lines }: CheckoutInput): number =>
  lines.reduce((sum, line) => sum + line.quantity * line.unitPriceCents, 0);

/** Sells a cart: stock and money are held, the order is placed, then both are taken; a refusal on the way gives all of it back. */
export const checkout = saga<CheckoutInput>("checkout")
  .step("stock", {
    do: ({ input, key }) => bounded.reserveStock(key, input.lines),
    undo: ({ key }) => unbounded.releaseStock(key),
  })
  .step("payment", {
    do: ({ input, key }) => bounded.authorisePayment(key, { token: input.paymentToken, cents: totalCents(input) }),
    undo: ({ key }) => unbounded.voidPayment(key),
  })
  .pivot("order", {
    do: ({ input, key }) =>
      bounded.placeOrder(key, {
        checkoutId: input.checkoutId,
        cartId: input.cartId,
        userId: input.userId,
        totalCents: totalCents(input),
      }),
    undo: ({ key }) => unbounded.cancelOrder(key),
  })
  .then("capture", ({ key }) => unbounded.capturePayment(siblingKey(key, "payment")))
  .then("stock-sold", ({ key }) => unbounded.sellStock(siblingKey(key, "stock")))
  .then("announce", ({ input, done, key }) =>
    unbounded.announceOrder(key, { ...done.order, cartId: input.cartId, userId: input.userId }),
  )
  .whenUndone(({ input, refusal, key }) =>
    unbounded.announceRefusal(key, {
      checkoutId: input.checkoutId,
      cartId: input.cartId,
      userId: input.userId,
      reason: refusal.type,
    }),
  )
  .returns(({ done }) => ({ orderId: done.order.orderId }));

/** The key of another step of the same saga. */
const siblingKey = (key: string, step: string): string => `${key.slice(0, key.lastIndexOf("/"))}/${step}`;
