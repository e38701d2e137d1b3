import { defineState, defineStream } from "headrace";
import type { Cart } from "./cart-rules.ts";
import * as events from "./events.ts";

const loginEvents = [events.loginSucceeded, events.loginFailed, events.loginEnded] as const;

/** Logins, partitioned by user. */
export const logins = defineStream("logins", { events: loginEvents, partitions: 8 });

/** Logins that another program writes into a Redis stream of its own. */
export const appLogins = defineStream("app-logins", { events: loginEvents, adopt: "app:logins" });

/** Failed logins by user and by address: what bursts are found in. */
export const loginFailures = defineStream("login-failures", { events: [events.failureNoted], partitions: 8 });

/** What somebody should look at. */
export const alerts = defineStream("alerts", { events: [events.attackSuspected], partitions: 2 });

/** What happens to carts, partitioned by cart. */
export const carts = defineStream("carts", {
  events: [
    events.cartCreated,
    events.itemAdded,
    events.itemRemoved,
    events.quantityChanged,
    events.checkoutRequested,
    events.cartCheckedOut,
    events.cartUnfrozen,
    events.cartAbandoned,
  ],
  partitions: 8,
});

/** What the pipeline `carts` keeps of each cart: its fold moves it on, and sagas look at it. */
export const cart = defineState<Cart>("cart", { pipeline: "carts" });

/** How checkouts ended: announced by the checkout saga, and by nobody from outside. */
export const orders = defineStream("orders", {
  events: [events.orderPlaced, events.orderRefused],
  partitions: 4,
  door: "closed",
});
