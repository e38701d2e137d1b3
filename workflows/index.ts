/** Every workflow that the saga workers run; they are found by these names. */
export { archiveDay, archiveNightly, cleanLogs } from "headrace/archive/workflows";
export { cartSweep } from "./cart-sweep.ts";
export { cartWatch } from "./cart-watch.ts";
export { checkout } from "./checkout.ts";
