import { archiveActivities } from "headrace/archive";
import type { ActivityDeps } from "headrace/host";
import type { Participant } from "headrace/participant";
import { announcementActivities } from "./announcements.ts";
import { cartActivities } from "./carts.ts";
import { type Catalogue, catalogueActivities, createCatalogue } from "./catalogue.ts";
import { createOrders, type Orders, orderActivities } from "./orders.ts";
import { createPayments, type Payments, paymentActivities } from "./payments.ts";
import { createStock, type Stock, stockActivities } from "./stock.ts";
import type { StoreDeps } from "./store.ts";

/** What sagas may call: each participant's verbs. */
export const createActivities = ({ participant, ...deps }: ActivityDeps) => ({
  ...stockActivities(participant<Stock>("stock")),
  ...paymentActivities(participant<Payments>("payments")),
  ...orderActivities(participant<Orders>("orders"), deps),
  ...catalogueActivities(participant<Catalogue>("catalogue")),
  ...cartActivities(deps),
  ...announcementActivities(deps),
  ...archiveActivities(deps),
});

export type Activities = ReturnType<typeof createActivities>;

/** The participants of the reference shop, as `headrace start --role participants` serves them. */
export const createParticipants = (deps: StoreDeps): readonly Participant[] => [
  createStock(deps),
  createPayments(deps),
  createOrders(deps),
  createCatalogue(deps),
];

export { checkBooks, readBooks } from "./books.ts";
