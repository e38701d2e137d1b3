import { type ClientOf, defineParticipant, Refusal, verb } from "headrace/participant";
import { z } from "zod";
import { checkSuperseded, countStates, key, type StoreDeps } from "./store.ts";

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

const lines = z.array(z.object({ sku: z.string(), quantity: z.int().positive() }));
export type StockLine = z.infer<typeof lines>[number];

/** The warehouse of the reference shop: it holds what is asked for, gives it back, or hands it over. */
export const createStock = (deps: StoreDeps) =>
  defineParticipant("stock", {
    reserve: verb(z.object({ key, lines }), async ({ key: step, lines: wanted }) => {
      if (wanted.length === 0) throw new Refusal("CartEmpty", "there is nothing in the cart");
      const reply = await deps.redis.eval(reserve, { keys, arguments: [step, JSON.stringify(wanted), String(initialStock)] });
      checkSuperseded(reply, step);
      if (reply !== "OK") throw new Refusal("OutOfStock", `there is not enough of '${reply}'`);
    }),

    release: verb(z.object({ key }), async ({ key: step }) => {
      await deps.redis.eval(release, { keys, arguments: [step] });
    }),

    /** Turns what was held into what is sold. */
    sell: verb(z.object({ key }), async ({ key: step }) => {
      const reply = await deps.redis.eval(sell, { keys, arguments: [step] });
      if (reply !== "OK") throw new Error(`no stock is held under '${step}'`);
    }),

    count: verb(z.object({}), () => countStates(deps, { hash: "shop:{stock}:holds", states: ["held", "sold", "released"] })),
  });

export type Stock = ReturnType<typeof createStock>;

/** What sagas ask of the warehouse. */
export const stockActivities = (stock: ClientOf<Stock>) => ({
  reserveStock: (step: string, wanted: readonly StockLine[]) =>
    stock.reserve({ key: step, lines: wanted.map(({ sku, quantity }) => ({ sku, quantity })) }),
  releaseStock: (step: string) => stock.release({ key: step }),
  sellStock: (step: string) => stock.sell({ key: step }),
});
