import { continueAsNew, proxyActivities, sleep, workflowInfo } from "@temporalio/workflow";
import type { Activities } from "../activities/index.ts";

export interface CartWatchInput {
  readonly cartId: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

/** How a cart ended: somebody bought it, or gave it up; or it is not there any more. */
export type CartEnd = "checked out" | "abandoned" | "gone";

const { lookAtCart, abandonCart } = proxyActivities<Activities>({
  startToCloseTimeout: "15s",
  retry: { initialInterval: "1s", backoffCoefficient: 2, maximumInterval: "5m" },
});

/** How long a checkout may take before it is looked at again. */
const checkoutMs = 5 * 60_000;

/**
 * Watches one cart with one timer: looks when it was last touched, sleeps for the rest of the time that it may lie, and looks again. So it
 * costs the same however often the cart is edited. Whoever touches the cart at the last moment wins.
 */
export async function cartWatch(input: CartWatchInput): Promise<CartEnd> {
  const { workflowId } = workflowInfo();
  for (;;) {
    const cart = await lookAtCart(input.cartId);
    switch (cart.status) {
      case "open":
        if (cart.leftMs > 0) await sleep(cart.leftMs, { summary: "until it has lain for long" });
        else if (await abandonCart(`${workflowId}/abandon`, { cartId: input.cartId, version: cart.version })) return "abandoned";
        break;
      case "frozen":
        await sleep(checkoutMs, { summary: "while it is checked out" });
        break;
      default:
        return cart.status;
    }
    if (workflowInfo().continueAsNewSuggested) await continueAsNew<typeof cartWatch>(input);
  }
}
