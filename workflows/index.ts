/** Every workflow that the saga workers run; they are found by these names. */
export { archiveDay, archiveNightly } from "./archive.ts";
export { cartSweep } from "./cart-sweep.ts";
export { cartWatch } from "./cart-watch.ts";
export { checkout } from "./checkout.ts";
export { cleanLogs } from "./clean-logs.ts";
