/** A producer in a process of its own: reads what to send from standard input, and prints the id of each event that is stored. */
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { openProducer } from "headrace";
import { loginRecorded, logins } from "./app/pipelines/index.ts";

const { redisUrl, events, perSecond } = JSON.parse(await text(process.stdin)) as {
  readonly redisUrl: string;
  readonly perSecond: number;
  readonly events: readonly { id: string; userId: string; n: number; time: string; orders: "obey" }[];
};
const producer = await openProducer(logins, { redisUrl, durability: "fsync" });
const since = performance.now();
for (const [i, { id, userId, n, time, orders }] of events.entries()) {
  const aheadMs = (1_000 * i) / perSecond - (performance.now() - since);
  if (aheadMs > 25) await sleep(aheadMs);
  const { stored } = await producer.send(loginRecorded({ userId, n, orders }, { time: new Date(time) }), { id });
  stored.then(
    () => process.stdout.write(`${id}\n`),
    () => {}, // not acknowledged, and not claimed
  );
}
await producer.close();
