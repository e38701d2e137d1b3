import type { StateDeps } from "headrace/host";
import { cart } from "../pipelines/streams.ts";
import { createOrders } from "./orders.ts";
import { createPayments } from "./payments.ts";
import { createStock } from "./stock.ts";
import type { StoreDeps } from "./store.ts";

type BooksDeps = StoreDeps & Pick<StateDeps, "statesOf">;

/** What each participant has in its own store. */
interface Books {
  readonly ordersPlaced: number;
  readonly paymentsCaptured: number;
  readonly paymentsVoided: number;
  readonly paymentsHeld: number;
  readonly stockSold: number;
  readonly stockHeld: number;
  readonly cartsFrozen: number;
}

/** Counts the books of the shop in the stores of the participants themselves, past the sagas. */
export async function readBooks(deps: BooksDeps): Promise<Books> {
  const [orders, payments, stock] = await Promise.all([
    createOrders(deps).verbs.count.run({}),
    createPayments(deps).verbs.count.run({}),
    createStock(deps).verbs.count.run({}),
  ]);
  let cartsFrozen = 0;
  for await (const [, { status }] of deps.statesOf(cart)) if (status === "frozen") cartsFrozen++;
  return {
    ordersPlaced: orders.placed,
    paymentsCaptured: payments.captured,
    paymentsVoided: payments.voided,
    paymentsHeld: payments.authorised,
    stockSold: stock.sold,
    stockHeld: stock.held,
    cartsFrozen,
  };
}

/** What does not add up, in sentences; none where the books are balanced. Things may be held as long as sagas are open. */
export function checkBooks(books: Books, openSagas: number): readonly string[] {
  const { ordersPlaced, paymentsCaptured, paymentsHeld, stockSold, stockHeld, cartsFrozen } = books;
  const held = openSagas === 0 ? { paymentsHeld, stockHeld, cartsFrozen } : {};
  return [
    ...(openSagas === 0 && paymentsCaptured !== ordersPlaced
      ? [`${ordersPlaced} orders are placed, and ${paymentsCaptured} payments are captured`]
      : []),
    ...(openSagas === 0 && stockSold !== ordersPlaced
      ? [`${ordersPlaced} orders are placed, and ${stockSold} holds are sold`]
      : []),
    ...(paymentsCaptured > ordersPlaced ? [`${paymentsCaptured - ordersPlaced} payments are captured for no order`] : []),
    ...Object.entries(held).flatMap(([what, n]) => (n > 0 ? [`${what} is ${n}, and no saga is open`] : [])),
  ];
}
