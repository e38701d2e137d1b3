import { checkSuperseded, refuse, type StoreDeps } from "./store.ts";

/** Stock of every sku that was never touched; `sold-out` has none. */
const initialStock = 1_000_000;
const keys = ["shop:{stock}:available", "shop:{stock}:holds"];

// holds: key → "held|<lines>", "sold|<lines>" or "released|<lines>"; all lines are taken, or none
const reserve = `
local hold = redis.call('HGET', KEYS[2], ARGV[1])
if hold then
  if string.sub(hold, 1, 9) == 'released|' then return 'SUPERSEDED' end
  return 'OK'
end
local lines = cjson.decode(ARGV[2])
for _, line in ipairs(lines) do
  redis.call('HSETNX', KEYS[1], line.sku, line.sku == 'sold-out' and 0 or ARGV[3])
end
local wanted = {}
for _, line in ipairs(lines) do wanted[line.sku] = (wanted[line.sku] or 0) + line.quantity end
for sku, quantity in pairs(wanted) do
  if tonumber(redis.call('HGET', KEYS[1], sku)) < quantity then return sku end
end
for sku, quantity in pairs(wanted) do redis.call('HINCRBY', KEYS[1], sku, -quantity) end
redis.call('HSET', KEYS[2], ARGV[1], 'held|' .. ARGV[2])
return 'OK'`;

const release = `
local hold = redis.call('HGET', KEYS[2], ARGV[1])
if hold and string.sub(hold, 1, 5) == 'held|' then
  for _, line in ipairs(cjson.decode(string.sub(hold, 6))) do redis.call('HINCRBY', KEYS[1], line.sku, line.quantity) end
end
if not hold or string.sub(hold, 1, 5) == 'held|' then redis.call('HSET', KEYS[2], ARGV[1], 'released|[]') end
return 'OK'`;

const sell = `
local hold = redis.call('HGET', KEYS[2], ARGV[1])
if not hold then return 'MISSING' end
if string.sub(hold, 1, 5) == 'held|' then redis.call('HSET', KEYS[2], ARGV[1], 'sold|' .. string.sub(hold, 6)) end
return 'OK'`;

export interface StockLine {
  readonly sku: string;
  readonly quantity: number;
}

export const createStock = ({ redis }: StoreDeps) => ({
  async reserveStock(key: string, lines: readonly StockLine[]): Promise<void> {
    if (lines.length === 0) throw refuse("CartEmpty", "there is nothing in the cart");
    const wanted = JSON.stringify(lines.map(({ sku, quantity }) => ({ sku, quantity })));
    const reply = await redis.eval(reserve, { keys, arguments: [key, wanted, String(initialStock)] });
    checkSuperseded(reply, key);
    if (reply !== "OK") throw refuse("OutOfStock", `there is not enough of '${reply}'`);
  },

  async releaseStock(key: string): Promise<void> {
    await redis.eval(release, { keys, arguments: [key] });
  },

  /** Turns what was held into what is sold. */
  async sellStock(key: string): Promise<void> {
    const reply = await redis.eval(sell, { keys, arguments: [key] });
    if (reply !== "OK") throw new Error(`no stock is held under '${key}'`);
  },
});
