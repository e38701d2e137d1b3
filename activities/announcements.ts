import { Context } from "@temporalio/activity";

export interface AnnouncementDeps {
  /** Sends an event to a stream, and resolves when it is stored. The same id is the same event, however often it is sent. */
  readonly announce: (
    stream: string,
    event: { readonly id: string; readonly type: string; readonly time: Date; readonly data: object },
  ) => Promise<void>;
}

/** When the activity was first asked for: the same over all its tries, so that an event always carries the same time. */
export const firstScheduled = (): Date => new Date(Context.current().info.scheduledTimestampMs);

interface Checkout {
  readonly checkoutId: string;
  readonly cartId: string;
  readonly userId: string;
}

/** Tells the streams how a checkout ended, so that pipelines see it. */
export const announcementActivities = ({ announce }: AnnouncementDeps) => ({
  announceOrder: (key: string, order: Checkout & { readonly orderId: string; readonly totalCents: number }): Promise<void> =>
    announce("orders", { id: key, type: "order.placed", time: firstScheduled(), data: order }),

  announceRefusal: (key: string, refusal: Checkout & { readonly reason: string }): Promise<void> =>
    announce("orders", {
      id: key,
      type: "order.refused",
      time: firstScheduled(),
      data: { orderId: `order-${refusal.checkoutId}`, ...refusal },
    }),
});
