import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { endWithUs } from "../../support/after-us.ts";
import { type Fault, sized } from "../fault.ts";
import { at } from "../points.ts";
import { FaultProxy } from "../proxy.ts";
import type { Rig } from "../rig.ts";

const program = fileURLToPath(new URL("../naive-main.mjs", import.meta.url));
const stream = "naive:logins";
const group = "naive";

/** The same kills, on a consumer that everyone has written once. It must lose events, or the suite cannot see that. */
const naive = (order: "ack-first" | "ack-last", why: string): Fault => ({
  name: `naive-${order}`,
  does: `the kills of killed-before-insert and killed-inside-insert, on a consumer that ${why}`,
  expects: "it loses events, and the suite sees it",
  run: async (rig) => {
    await rig.redis.xGroupCreate(stream, group, "0", { MKSTREAM: true });
    for (let kills = 0; kills < sized(rig, { short: 2, whole: 5 }); kills++) {
      const sending = send(rig, 800);
      const consumer = await startConsumer(rig, order);
      const point = kills % 2 === 0 ? "before-insert" : "inside-insert";
      await at(consumer, { point, turn: rig.random.int(1, 3) }, () => consumer.end("SIGKILL"));
      await Promise.all([sending, consumer.close()]);
    }
    const last = await startConsumer(rig, order);
    await rig.until("the consumer has been given everything", async () => {
      const [info] = await rig.redis.xInfoGroups(stream);
      return info?.lag === 0;
    });
    // It settles what it was given, and ends.
    await last.end("SIGTERM");
    await last.close();
    return { mustLose: true };
  },
});

export const naiveFaults: readonly Fault[] = [
  naive("ack-first", "acknowledges before it inserts"),
  naive("ack-last", "acknowledges after it has inserted, and never reads again what is pending"),
];

/** Each event is an entry; the truth is what Redis has answered. */
async function send(rig: Rig, count: number): Promise<void> {
  for (const event of rig.workload.take(count)) {
    const { id, userId, n, time } = event;
    const at = time.toISOString().replace("T", " ").replace("Z", "");
    rig.workload.tried(event);
    await rig.redis.xAdd(stream, "*", { data: JSON.stringify({ event_id: id, user_id: userId, n, at, release: 0 }) });
    rig.workload.stored(id);
    if (n % 10 === 0) await sleep(5);
  }
}

async function startConsumer(rig: Rig, order: string) {
  const [redis, clickhouse] = await Promise.all([
    FaultProxy.listen(rig.redisServer.port),
    FaultProxy.listen(rig.clickhouseServer.port),
  ]);
  const env = {
    ...{ ...process.env, ...rig.env },
    ...{ REDIS_URL: `redis://127.0.0.1:${redis.port}`, CLICKHOUSE_URL: `http://127.0.0.1:${clickhouse.port}` },
  };
  const child = endWithUs(
    spawn(process.execPath, [program, stream, group, order], { env, stdio: ["ignore", "pipe", "inherit"] }),
  );
  const exit = once(child, "exit");
  await Promise.race([once(child.stdout, "data"), exit]);
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    await exit;
  };
  const close = async () => {
    await end("SIGKILL");
    await Promise.all([redis.close(), clickhouse.close()]);
  };
  return { redis, clickhouse, end, close };
}
