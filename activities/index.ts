import { type AnnouncementDeps, createAnnouncements } from "./announcements.ts";
import { createOrders } from "./orders.ts";
import { createPayments } from "./payments.ts";
import { createStock } from "./stock.ts";
import type { StoreDeps } from "./store.ts";

/** Everything the participants need of the world. */
export type ActivityDeps = StoreDeps & AnnouncementDeps;

/** What sagas may call: each participant's verbs. */
export const createActivities = (deps: ActivityDeps) => ({
  ...createStock(deps),
  ...createPayments(deps),
  ...createOrders(deps),
  ...createAnnouncements(deps),
});

export type Activities = ReturnType<typeof createActivities>;
