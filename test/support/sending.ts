import { afterEach } from "vitest";
import type { Envelope } from "../../src/bus/envelope.ts";
import { partitionsOf } from "../../src/bus/partition.ts";
import { openRedisBus } from "../../src/bus/redis/bus.ts";
import { silentLogger } from "../../src/core/log.ts";
import { type OpenProducerOptions, openProducer } from "../../src/open-producer.ts";
import { closeAll } from "./close-all.ts";
import { framesOf } from "./frames-of.ts";
import { type OwnRedis, startOwnRedis } from "./own-redis.ts";
import { redisClient } from "./redis.ts";
import { thingHappened, things } from "./things.ts";

export const stream = things(4);
export const partitions = partitionsOf(stream.plan);
export const thing = (n: number) => thingHappened({ key: `k${n % 50}`, n, orders: [] });

const open: (() => Promise<unknown>)[] = [];
afterEach(() => closeAll(open));

/** A Redis of the running test alone. */
export async function ownRedis(settings: Readonly<Record<string, string>> = {}): Promise<OwnRedis> {
  const redis = await startOwnRedis(settings);
  open.push(() => redis.close());
  return redis;
}

/** A producer, and what it logs. It ends with the test. */
export async function start({ url }: OwnRedis, options: Partial<OpenProducerOptions> = {}) {
  const told: [message: string, fields: object][] = [];
  const tell = (fields: object, message: string) => void told.push([message, fields]);
  const stop = new AbortController();
  const producer = await openProducer(stream, {
    redisUrl: url,
    lingerMs: 1,
    signal: stop.signal,
    logger: { debug: () => {}, info: tell, warn: tell, error: tell },
    ...options,
  });
  open.push(() => {
    stop.abort();
    return producer.close().catch(() => {});
  });
  return { producer, told };
}

/** A plain connection, for what an operator does. */
export async function admin({ url }: OwnRedis) {
  const client = await redisClient(url);
  open.push(async () => client.destroy());
  return client;
}

/** The numbers of what is stored, by partition, in order. */
export async function numbers({ url }: OwnRedis): Promise<readonly (readonly number[])[]> {
  const bus = await openRedisBus({ url, logger: silentLogger });
  try {
    const read = async (partition: (typeof partitions)[number]) => (await framesOf(bus, partition)).flat().map(numberOf);
    return await Promise.all(partitions.map(read));
  } finally {
    await bus.close();
  }
}
const numberOf = ({ data }: Envelope) => (data as { readonly n: number }).n;

/** Sends without a pause until it is told to stop; says what was accepted, what was acknowledged and what was refused. */
export function load(producer: Awaited<ReturnType<typeof start>>["producer"]) {
  const accepted: number[] = [];
  const acknowledged = new Set<number>();
  const refusals: unknown[] = [];
  let isOver = false;
  const sending = (async () => {
    for (let n = 0; !isOver; n++) {
      try {
        const { stored } = await producer.send(thing(n));
        accepted.push(n);
        stored.then(
          () => acknowledged.add(n),
          () => {},
        );
      } catch (error) {
        refusals.push(error);
      }
      // Enough to fill every frame, and a turn for what comes in.
      if (n % 200 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (refusals.length > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
  })();
  return {
    accepted,
    acknowledged,
    refusals,
    stop: async () => {
      isOver = true;
      await sending;
    },
  };
}

export const ascending = (all: readonly number[]) => [...all].sort((a, b) => a - b);

/** How often a frame was appended, for the first time or again. */
export async function appends(client: Awaited<ReturnType<typeof redisClient>>): Promise<number> {
  const calls = /cmdstat_evalsha:calls=(\d+)/.exec(await client.info("commandstats"));
  return Number(calls?.[1] ?? 0);
}
