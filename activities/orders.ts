import { checkSuperseded, type StoreDeps } from "./store.ts";

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

export interface OrderRequest {
  readonly checkoutId: string;
  readonly cartId: string;
  readonly userId: string;
  readonly totalCents: number;
}

export const createOrders = ({ redis }: StoreDeps) => ({
  /** Places the order of a checkout, once: the same checkout has the same order id. */
  async placeOrder(key: string, request: OrderRequest) {
    const { checkoutId, totalCents } = request;
    const orderId = `order-${checkoutId}`;
    checkSuperseded(await redis.eval(place, { keys, arguments: [key, orderId, JSON.stringify(request)] }), key);
    return { orderId, checkoutId, totalCents };
  },

  async cancelOrder(key: string): Promise<void> {
    await redis.eval(cancel, { keys, arguments: [key] });
  },
});
