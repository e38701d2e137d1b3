import type { ActivityDeps } from "headrace/host";
import { orderPlaced, orderRefused } from "../pipelines/events.ts";
import { orders } from "../pipelines/streams.ts";

interface Checkout {
  readonly checkoutId: string;
  readonly cartId: string;
  readonly userId: string;
}

/** Tells the streams how a checkout ended, so that pipelines see it. */
export const announcementActivities = ({ announce }: Pick<ActivityDeps, "announce">) => ({
  announceOrder: (key: string, order: Checkout & { readonly orderId: string; readonly totalCents: number }): Promise<void> =>
    announce(orders, { id: key, ...orderPlaced(order) }),

  announceRefusal: (key: string, refusal: Checkout & { readonly reason: string }): Promise<void> =>
    announce(orders, { id: key, ...orderRefused({ orderId: `order-${refusal.checkoutId}`, ...refusal }) }),
});
