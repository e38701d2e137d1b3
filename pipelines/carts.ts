import { clickhouse, days, drop, minutes, pipeline, startWorkflow } from "headrace";
import { match, P } from "ts-pattern";
import { cartWatch } from "../workflows/cart-watch.ts";
import { checkout } from "../workflows/checkout.ts";
import { type CartChange, decideCart, emptyCart, evolveCart, frozenVersion, migrateCart } from "./cart-rules.ts";
import { cart, carts as cartStream } from "./streams.ts";
import { cartEvents } from "./tables.ts";

/** How long a cart may lie before somebody looks at it. */
const watchedAfterMs = minutes(30);

/** Longer than events are kept, so that sending or replaying a cart again finds every event known. */
const rememberedMs = days(7);
/** The largest number of the history's columns. What exceeds it was refused, and the reason says why. */
const maxQuantity = 2 ** 32 - 1;

const historyRow = ({ id, type, time, data }: Exclude<CartChange, { readonly type: "cart.ignored" }>) => ({
  event_id: id,
  cart_id: data.cartId,
  user_id: "userId" in data ? data.userId : undefined,
  type,
  sku: "sku" in data ? data.sku : undefined,
  quantity: "quantity" in data && data.quantity !== undefined ? Math.min(data.quantity, maxQuantity) : undefined,
  unit_price_cents: "unitPriceCents" in data ? data.unitPriceCents : undefined,
  checkout_id: "checkoutId" in data ? data.checkoutId : undefined,
  reason: "reason" in data ? data.reason : undefined,
  at: time,
});

/** Keeps every cart by its rules, writes its history, has somebody watch it, and starts a checkout once for each press of "pay". */
export const carts = pipeline("carts")
  .from(cartStream)
  .dedupe("once", { horizonMs: rememberedMs })
  .fold(cart, {
    key: (event) => event.data.cartId,
    initial: emptyCart,
    decide: decideCart,
    evolve: evolveCart,
    version: 3,
    migrate: migrateCart,
  })
  .route(
    {
      history: clickhouse(cartEvents),
      watch: startWorkflow(cartWatch, {
        taskQueue: "carts",
        workflowId: ({ cartId }) => `cart-watch/${cartId}`,
        delayMs: watchedAfterMs,
        // A cart that comes so late has nobody to wait for: the sweep looks after it.
        notAfter: ({ createdAt }) => new Date(createdAt + watchedAfterMs),
        searchAttributes: { CartId: { type: "Keyword", value: ({ cartId }) => cartId } },
      }),
      checkout: startWorkflow(checkout, {
        taskQueue: "checkout",
        workflowId: ({ checkoutId }) => `checkout/${checkoutId}`,
        searchAttributes: {
          CartId: { type: "Keyword", value: ({ cartId }) => cartId },
          CheckoutId: { type: "Keyword", value: ({ checkoutId }) => checkoutId },
        },
        summary: ({ lines, userId }) => `${lines.length} lines of ${userId}`,
      }),
    },
    (change, to) =>
      match(change)
        .with({ type: "cart.checkout_requested" }, (request) => [
          to.history(historyRow(request)),
          to.checkout({
            ...request.data,
            userId: request.cart.userId,
            lines: request.cart.lines,
            version: frozenVersion(request),
          }),
        ])
        .with({ type: "cart.created" }, (created) => [
          to.history(historyRow(created)),
          to.watch({ cartId: created.data.cartId, createdAt: created.time.getTime() }),
        ])
        .with({ type: "cart.ignored" }, ({ data }) => drop(data.reason))
        .with(
          {
            type: P.union(
              "cart.item_added",
              "cart.item_removed",
              "cart.quantity_changed",
              "cart.item_rejected",
              "cart.checkout_refused",
              "cart.checked_out",
              "cart.unfrozen",
              "cart.abandoned",
            ),
          },
          (other) => to.history(historyRow(other)),
        )
        .exhaustive(),
  );
