import type { ActivityDeps } from "headrace/host";
import { type ClientOf, defineParticipant, verb } from "headrace/participant";
import { z } from "zod";
import { checkHeld } from "./carts.ts";
import { checkSuperseded, countStates, key, type StoreDeps } from "./store.ts";

const keys = ["shop:{orders}:by-key", "shop:{orders}"];

// by-key: key → order id, or "cancelled"; orders: order id → JSON
const place = `
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known == 'cancelled' then return 'SUPERSEDED' end
if known then return known end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
return ARGV[2]`;

const cancel = `
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known and known ~= 'cancelled' then redis.call('HDEL', KEYS[2], known) end
redis.call('HSET', KEYS[1], ARGV[1], 'cancelled')
return 'OK'`;

const order = z.object({ checkoutId: z.string(), cartId: z.string(), userId: z.string(), totalCents: z.int().nonnegative() });
export type OrderRequest = z.infer<typeof order>;

/** The order system of the reference shop. */
export const createOrders = (deps: StoreDeps) =>
  defineParticipant("orders", {
    /** Places the order of a checkout, once: the same checkout has the same order id. */
    place: verb(z.object({ key, order }), async ({ key: step, order: wanted }) => {
      const { checkoutId, totalCents } = wanted;
      const orderId = `order-${checkoutId}`;
      checkSuperseded(await deps.redis.eval(place, { keys, arguments: [step, orderId, JSON.stringify(wanted)] }), step);
      return { orderId, checkoutId, totalCents };
    }),

    cancel: verb(z.object({ key }), async ({ key: step }) => {
      await deps.redis.eval(cancel, { keys, arguments: [step] });
    }),

    count: verb(z.object({}), async () => {
      const { cancelled, other: placed } = await countStates(deps, { hash: "shop:{orders}:by-key", states: ["cancelled"] });
      return { placed, cancelled };
    }),
  });

export type Orders = ReturnType<typeof createOrders>;

/** What sagas ask of the order system. */
export const orderActivities = (orders: ClientOf<Orders>, deps: Pick<ActivityDeps, "stateOf">) => ({
  /** Places the order of a checkout that has its cart: behind it there is no way back. */
  async placeOrder(step: string, wanted: OrderRequest) {
    await checkHeld(deps, wanted);
    return orders.place({ key: step, order: wanted });
  },
  cancelOrder: (step: string) => orders.cancel({ key: step }),
});
