import { proxyActivities } from "@temporalio/workflow";
import type { CartSweepInput } from "../activities/carts.ts";
import type { Activities } from "../activities/index.ts";

const { sweepCarts } = proxyActivities<Activities>({
  startToCloseTimeout: "30m",
  heartbeatTimeout: "1m",
  retry: { initialInterval: "1s", backoffCoefficient: 2, maximumInterval: "1m" },
});

/** Gives up the carts that have lain for long and that nobody watches: those whose watch was lost, or never began. */
export const cartSweep = (input: CartSweepInput = {}): Promise<{ readonly looked: number; readonly abandoned: number }> =>
  sweepCarts("cart-sweep", input);
