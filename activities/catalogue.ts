import { type ClientOf, defineParticipant, Refusal, verb } from "headrace/participant";
import { z } from "zod";
import type { StoreDeps } from "./store.ts";

const keys = ["shop:{catalogue}"];

// sku → its price in cents
const getPrices = `return redis.call('HMGET', KEYS[1], unpack(ARGV))`;
const setPrice = `return redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])`;

const lines = z.array(z.object({ sku: z.string(), quantity: z.int().positive(), unitPriceCents: z.int().nonnegative() }));
export type PricedLine = z.infer<typeof lines>[number];

/** What things cost. A sku that has no price here costs what the cart says. */
export const createCatalogue = ({ redis }: StoreDeps) =>
  defineParticipant("catalogue", {
    /** The total, where every price is still the one that the customer saw. */
    quote: verb(z.object({ lines }), async ({ lines: asked }) => {
      const skus = asked.map(({ sku }) => sku);
      const prices = skus.length === 0 ? [] : ((await redis.eval(getPrices, { keys, arguments: skus })) as (string | null)[]);
      const changed = asked.find(({ unitPriceCents }, i) => prices[i] != null && Number(prices[i]) !== unitPriceCents);
      if (changed) throw new Refusal("PriceChanged", `'${changed.sku}' no longer costs ${changed.unitPriceCents} cents`);
      return { totalCents: asked.reduce((sum, { quantity, unitPriceCents }) => sum + quantity * unitPriceCents, 0) };
    }),

    setPrice: verb(z.object({ sku: z.string(), cents: z.int().nonnegative() }), async ({ sku, cents }) => {
      await redis.eval(setPrice, { keys, arguments: [sku, String(cents)] });
    }),
  });

export type Catalogue = ReturnType<typeof createCatalogue>;

/** What sagas ask of the catalogue. Every activity is given the key of its step, also where there is nothing to undo. */
export const catalogueActivities = (catalogue: ClientOf<Catalogue>) => ({
  quote: (_: string, asked: readonly PricedLine[]) => catalogue.quote({ lines: [...asked] }),
});
