import { openProducer } from "headrace";
import { createClient } from "redis";
import { carts, logins } from "../../pipelines/streams.ts";
import type { Emission } from "./emission.ts";

/** Plain entries that may be under way at once. */
const maxPlain = 500;

export interface PlayOptions {
  readonly redisUrl: string;
  readonly total: number;
  readonly say: (text: string) => void;
}

/** Sends a day in its order: events through producers, plain entries by XADD as another program would. */
export async function playDay(emissions: Iterable<Emission>, { redisUrl, total, say }: PlayOptions): Promise<void> {
  const loginProducer = await openProducer(logins, { redisUrl });
  const cartProducer = await openProducer(carts, { redisUrl });
  const redis = createClient({ url: redisUrl });
  await redis.connect();
  let plain: Promise<unknown>[] = [];
  let sent = 0;
  try {
    for (const emission of emissions) {
      if (emission.kind === "raw") {
        plain.push(redis.xAdd(emission.stream, "*", { ...emission.fields }));
        if (plain.length >= maxPlain) {
          await Promise.all(plain);
          plain = [];
        }
      } else if (emission.stream === "logins") {
        await loginProducer.send(emission.event, { id: emission.event.id });
      } else {
        await cartProducer.send(emission.event, { id: emission.event.id });
      }
      if (++sent % 50_000 === 0 || sent === total) say(`  sent ${sent} of ${total}`);
    }
    await Promise.all([...plain, loginProducer.flush(), cartProducer.flush()]);
  } finally {
    await Promise.all([loginProducer.close(), cartProducer.close(), redis.close()]);
  }
}
