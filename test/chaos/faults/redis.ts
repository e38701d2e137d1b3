import { setTimeout as sleep } from "node:timers/promises";
import { cutRedisLog, redisLogBytes } from "../../support/redis-log.ts";
import { type Fault, sized } from "../fault.ts";
import { eventsIn, logOf, partitions, pipelineName, type Rig } from "../rig.ts";

const rate = 1_500;
const exact = "all land, once, in their turn; the ledger counts each once";

export const redisFaults: readonly Fault[] = [
  {
    name: "redis-killed",
    does: "kill -9 of Redis (appendfsync always) while events are sent and read; it is started again after a second",
    expects: `no acknowledged event is lost; ${exact}`,
    run: async (rig) => {
      await rig.startWorker();
      for (let kills = 0; kills < sized(rig, { short: 2, whole: 8 }); kills++) {
        const sending = rig.workload.send(2_400, rate);
        await sleep(rig.random.int(200, 1_200));
        await rig.redisServer.kill();
        await sleep(1_000);
        await rig.redisServer.restart();
        await sending;
      }
    },
  },
  {
    name: "redis-loses-its-last-second",
    does: "kill -9 of Redis (appendfsync everysec) while events are sent, and the end of its log was not on disk yet, as when the power fails; the producer goes on",
    expects:
      "exactly the events in that end are gone, the audit counts them as vanished and says so aloud (a sentence, and exit code 1); all else lands",
    run: async (rig) => {
      await rig.workload.renew("memory");
      for (let kills = 0; kills < sized(rig, { short: 1, whole: 5 }); kills++) {
        await rig.redis.configSet("appendfsync", "everysec");
        await rig.workload.send(rig.random.int(900, 1_800), rate);
        // All of it is in the log: what is acknowledged from now on lies behind that, and is gone.
        const kept = await redisLogBytes(rig.directory);
        const known = rig.workload.acknowledged.size;
        const more = rig.random.int(100, 1_000);
        const sending = rig.workload.send(1_500, rate);
        await rig.until(`${more} more are acknowledged`, () => rig.workload.acknowledged.size >= known + more);
        await rig.redisServer.kill();
        await cutRedisLog(rig.directory, kept);
        await rig.redisServer.restart();
        await sending;
        // The producer finds out when it next writes to a partition.
        await rig.workload.send(800, rate);
      }
      // The first events of a user may be among them: then its state knows nothing when the others come.
      const vanished = rig.workload.acknowledged.size - (await rig.storedEvents());
      await rig.startWorker();
      await rig.drained();
      const faults = vanished > 0 ? [] : ["nothing is gone"];
      const { code, stderr } = await rig.verb("audit");
      if (code !== 1 || !new RegExp(`vanished\\W+${vanished}\\b`).test(stderr))
        faults.push(`the audit does not say aloud that ${vanished} events have vanished (exit code ${code}): ${stderr}`);
      return { vanished, mayHaveGaps: true, mayResume: true, read: rig.workload.acknowledged.size - vanished, faults };
    },
  },
  {
    name: "redis-half-open",
    does: "the worker's connections to Redis go half-open: nothing passes, nothing closes; new ones work after 10 s",
    expects: `the worker finds out by itself and goes on; ${exact}`,
    run: async (rig) => {
      const worker = await rig.startWorker();
      const sending = rig.workload.sendMixed(sized(rig, { short: 6_000, whole: 30_000 }), rate);
      await sleep(rig.random.int(500, 1_500));
      worker.redis.halfOpen();
      await sleep(10_000);
      worker.redis.heal();
      await sending;
    },
  },
  {
    name: "producer-half-open",
    does: "the producer's connection to Redis goes half-open for 10 s; new ones work afterwards",
    expects: `the producer finds out by itself, sends again, and each event is stored once; ${exact}`,
    run: async (rig) => {
      await rig.startWorker();
      const sending = rig.workload.send(6_000, rate);
      await sleep(rig.random.int(500, 1_500));
      rig.producerProxy.halfOpen();
      await sleep(10_000);
      rig.producerProxy.heal();
      const sent = await Promise.race([sending.then(() => true), sleep(40_000, false, { ref: false })]);
      return { faults: sent ? [] : ["the producer has not found out in 40 s that its connection is dead"] };
    },
  },
  {
    name: "flushall-while-blocked",
    does: "FLUSHALL while the workers wait for new events; producers start anew",
    expects:
      "what was settled before stays, and is told as vanished from Redis; what is sent afterwards is read from the first entry on and lands",
    run: async (rig) => {
      await rig.startWorker();
      await rig.workload.send(2_000, rate);
      await rig.drained();
      const before = rig.workload.acknowledged.size;
      await sleep(500);
      await rig.redis.flushAll();
      await rig.workload.renew();
      await rig.workload.send(2_000, rate);
      return { mayResume: true, forgotten: before, read: rig.workload.acknowledged.size - before };
    },
  },
  {
    name: "group-destroyed",
    does: "an operator destroys the group (XGROUP DESTROY) of every partition in mid-stream",
    expects: `the group begins again behind what is settled, and no state moves twice; ${exact}`,
    run: async (rig) => {
      await rig.startWorker();
      const sending = rig.workload.send(sized(rig, { short: 4_500, whole: 20_000 }), rate);
      for (let i = 0; i < sized(rig, { short: 1, whole: 4 }); i++) {
        await sleep(rig.random.int(700, 1_500));
        for (const partition of partitions) await rig.redis.xGroupDestroy(logOf(partition), pipelineName);
      }
      await sending;
      return undefined;
    },
  },
  {
    name: "maxmemory-reached",
    does: "Redis is full (maxmemory, noeviction) while events are sent; later it gets more memory",
    expects: `the producer waits, the worker goes on and settles all that is stored; then all the rest; ${exact}`,
    run: async (rig) => {
      const worker = await rig.startWorker();
      await rig.workload.send(1_000, rate);
      const used = Number(/^used_memory:(\d+)/m.exec(await rig.redis.info("memory"))?.[1]);
      await rig.redis.configSet("maxmemory", String(used + 64 * 1024));
      const sending = rig.workload.send(12_000, 4 * rate);
      await rig.until("Redis refuses to store", async () => Number(await refusals(rig)) > 0);
      const left = await rig.drained(15_000);
      const stored = rig.workload.acknowledged.size;
      await sleep(1_000);
      const faults = left === undefined ? [] : [`while Redis was full the worker did not settle what was stored: ${left}`];
      if (stored >= 13_000) faults.push("Redis was never full");
      if (worker.hasEnded()) faults.push("the worker ended when Redis was full");
      await rig.redis.configSet("maxmemory", "0");
      await sending;
      return { faults };
    },
  },
  {
    name: "unread-entries-trimmed",
    does: "while no worker runs, an operator trims entries that nobody has read (XTRIM MAXLEN)",
    expects:
      "exactly these events are gone, the audit counts them as lost and says so aloud (a sentence, and exit code 1); all else lands",
    run: async (rig) => {
      const first = await rig.startWorker();
      await rig.workload.send(1_500, rate);
      await rig.drained();
      await first.stop();
      await rig.workload.send(3_000, rate);
      const before = await unreadEvents(rig);
      for (const partition of partitions) {
        const { length } = await unread(rig, partition);
        await rig.redis.xTrim(logOf(partition), "MAXLEN", Math.floor((2 * length) / 3));
      }
      const trimmedUnread = before - (await unreadEvents(rig));
      rig.note(`${trimmedUnread} unread events trimmed`);
      await rig.startWorker();
      await rig.drained();
      const faults = trimmedUnread > 0 ? [] : ["nothing was trimmed"];
      const { code, stderr } = await rig.verb("audit");
      if (code !== 1 || !/removed|lost/.test(stderr))
        faults.push(`the audit does not say aloud that events are lost (exit code ${code})`);
      return { lost: trimmedUnread, mayHaveGaps: true, read: rig.workload.acknowledged.size - trimmedUnread, faults };
    },
  },
  {
    name: "bad-network",
    does: "latency, slicer, bandwidth, limit_data, reset_peer, slow_close and timeout, one after another, on every connection",
    expects: exact,
    run: async (rig) => {
      const worker = await rig.startWorker();
      const proxies = [worker.redis, worker.clickhouse, rig.producerProxy];
      const sending = rig.workload.send(sized(rig, { short: 9_000, whole: 60_000 }), rate);
      for (let round = 0; round < sized(rig, { short: 1, whole: 6 }); round++) {
        for (const toxic of [
          { kind: "latency", ms: rig.random.int(20, 80) },
          { kind: "slicer", bytes: rig.random.int(50, 700), ms: 1 },
          { kind: "bandwidth", bytesPerSecond: rig.random.int(100_000, 400_000) },
          { kind: "limit_data", bytes: rig.random.int(20_000, 60_000) },
          { kind: "reset_peer", ms: rig.random.int(50, 300) },
          { kind: "slow_close", ms: rig.random.int(100, 400) },
          { kind: "timeout", ms: rig.random.int(300, 900) },
        ] as const) {
          const remove = proxies.map((proxy) => proxy.add(toxic));
          await sleep(800);
          for (const one of remove) one();
        }
      }
      await sending;
    },
  },
];

/** Commands that Redis refused for want of memory. */
async function refusals({ redis }: Rig): Promise<string> {
  return /^errorstat_OOM:count=(\d+)/m.exec(await redis.info("errorstats"))?.[1] ?? "0";
}

/** Entries of a partition that the group was not given. */
async function unread(rig: Rig, partition: string) {
  return (await rig.redis.xRange(logOf(partition), await firstUnread(rig, partition), "+")) ?? [];
}

async function firstUnread({ redis }: Rig, partition: string): Promise<string> {
  const group = (await redis.xInfoGroups(logOf(partition))).find(({ name }) => name === pipelineName);
  return `(${group?.["last-delivered-id"]}`;
}

async function unreadEvents(rig: Rig): Promise<number> {
  const counts = partitions.map(async (partition) => eventsIn(rig.redis, logOf(partition), await firstUnread(rig, partition)));
  return (await Promise.all(counts)).reduce((sum, n) => sum + n, 0);
}
