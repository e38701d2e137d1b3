import { clickhouse, pipeline } from "headrace";
import { orders as orderStream } from "./streams.ts";
import { orderOutcomes } from "./tables.ts";

/** How each checkout ended, one row a checkout. */
export const orders = pipeline("orders")
  .from(orderStream)
  .to(clickhouse(orderOutcomes), ({ type, time, data }) => ({
    checkout_id: data.checkoutId,
    order_id: data.orderId,
    cart_id: data.cartId,
    user_id: data.userId,
    outcome: type === "order.placed" ? "placed" : "refused",
    reason: "reason" in data ? data.reason : undefined,
    total_cents: "totalCents" in data ? data.totalCents : undefined,
    at: time,
  }));
