/** Every workflow that the saga workers run; they are found by these names. */
export { checkout } from "./checkout.ts";
