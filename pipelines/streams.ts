import { defineStream } from "headrace";
import * as events from "./events.ts";

const loginEvents = [events.loginSucceeded, events.loginFailed, events.loginEnded] as const;

/** Logins, partitioned by user. */
export const logins = defineStream("logins", { events: loginEvents, partitions: 8 });

/** Logins that another program writes into a Redis stream of its own. */
export const appLogins = defineStream("app-logins", { events: loginEvents, adopt: "app:logins" });

/** What happens to carts, partitioned by cart. */
export const carts = defineStream("carts", {
  events: [events.cartCreated, events.itemAdded, events.itemRemoved, events.quantityChanged, events.checkoutRequested],
  partitions: 8,
});

/** How checkouts ended: announced by the checkout saga. */
export const orders = defineStream("orders", { events: [events.orderPlaced, events.orderRefused], partitions: 4 });
