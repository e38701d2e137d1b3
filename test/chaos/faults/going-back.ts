import { setTimeout as sleep } from "node:timers/promises";
import type { Stream } from "headrace";
import { partitionsOf } from "../../../src/bus/partition.ts";
import { closeAll } from "../../support/close-all.ts";
import { startOwnRedis } from "../../support/own-redis.ts";
import { type ClusterNode, startCluster } from "../../support/redis-cluster.ts";
import { snapshotOf } from "../../support/redis-snapshot.ts";
import { type Fault, sized } from "../fault.ts";
import { copies, notes, numbers, spans } from "../going-back/pipelines/index.ts";
import { openRolling } from "../going-back/rolling.ts";
import { openSagas } from "../going-back/sagas.ts";
import { openWorld, type World } from "../going-back/world.ts";
import { placingApp, type Rig } from "../rig.ts";

const rate = 800;
const expects =
  "folds, dedupe, windows and derived streams are those of a recount of the log as it is now, each event once, and each has one saga; the rollup is that of its table; the audit does not balance over what is gone; a naive consumer beside it is wrong";
/** What is looked at is looked at here. */
const app = { ...placingApp, lanes: [] };

export const goingBackFaults: readonly Fault[] = [
  {
    name: "redis-goes-back",
    does: "Redis goes back to an earlier state under live workers, several times: kill -9 with the last second of its log cut off, a copy put back, a copy of one partition put back (as a failover of one master does)",
    expects,
    app,
    run: async (rig) => {
      const redis = await startOwnRedis({ appendfsync: "everysec" });
      try {
        // The naive consumer reads the numbers: only where they go back must it be wrong.
        const ways = [
          rig.random.pick([cutLog, putBack, putOneBack([numbers])]),
          ...Array.from({ length: sized(rig, { short: 1, whole: 5 }) }, () =>
            rig.random.pick([cutLog, putBack, putOneBack([numbers, copies, spans, notes])]),
          ),
        ];
        return await under(rig, redis.url, async (world) => {
          for (const way of ways) await way(world);
        });
      } finally {
        await redis.close();
      }

      /** The power fails: what was not on disk is gone. */
      async function cutLog(world: World) {
        await sleep(rig.random.int(300, 900));
        const onDisk = await redis.logBytes();
        await world.ahead();
        await sleep(rig.random.int(0, 900));
        await redis.kill();
        await redis.cutLog(onDisk);
        await redis.restart();
        rig.note("the end of the log is cut");
      }

      async function putBack(world: World) {
        const back = await snapshotOf(redis.url);
        await world.ahead();
        await sleep(rig.random.int(100, 1_200));
        await back();
        rig.note("a copy is put back");
      }

      function putOneBack(streams: readonly Stream<unknown>[]) {
        const { prefix, name } = rig.random.pick(streams.flatMap(({ plan }) => partitionsOf(plan)));
        return async (world: World) => {
          const back = await snapshotOf(redis.url, prefix);
          await world.ahead();
          await sleep(rig.random.int(100, 1_200));
          await back();
          rig.note(`a copy of ${name} is put back`);
        };
      }
    },
  },
  {
    name: "redis-goes-back-on-a-cluster",
    does: "a master of a Redis Cluster of three dies under live workers, and a replica that had lost touch with it is promoted; so does the next one",
    expects,
    app,
    run: async (rig) => {
      const cluster = await startCluster(3);
      try {
        // The first one has numbers: partitions are spread over all of them.
        const owner = await cluster.ownerOf(rig.random.pick(partitionsOf(numbers.plan)).log);
        const first = cluster.masters.indexOf(owner);
        const turned = [...cluster.masters.slice(first), ...cluster.masters.slice(0, first)];
        const masters = turned.slice(0, sized(rig, { short: 1, whole: 3 })) as ClusterNode[];
        const replicas: Pair[] = [];
        for (const master of masters) replicas.push({ master, replica: await cluster.addReplica(master) });
        // Any other will do to begin with, also when the first has died.
        return await under(rig, turned.at(-1)?.url as string, async (world) => {
          for (const one of replicas) {
            const logs: string[] = [];
            for (const { log } of partitionsOf(numbers.plan)) if ((await cluster.ownerOf(log)) === one.master) logs.push(log);
            await failOver(rig, { ...one, isAhead: () => world.ahead(logs) });
          }
        });
      } finally {
        await cluster.close();
      }
    },
  },
];

interface Pair {
  readonly master: ClusterNode;
  readonly replica: ClusterNode;
}

/** The replica is cut off for a while, then the master dies, and the replica takes its place with what it has. */
async function failOver(rig: Rig, { master, replica, isAhead }: Pair & { readonly isAhead: () => Promise<void> }): Promise<void> {
  await sleep(rig.random.int(200, 900));
  // It asks under a name that the master does not know, so it hears nothing more.
  await replica.client.sendCommand(["CONFIG", "SET", "masteruser", "nobody"]);
  await replica.client.sendCommand(["CONFIG", "SET", "masterauth", "nothing"]);
  await replica.client.sendCommand(["CLIENT", "KILL", "TYPE", "master"]);
  await isAhead();
  await sleep(rig.random.int(100, 1_200));
  await master.kill();
  // It may have taken over by itself by now.
  const isMaster = async () => String(await replica.client.sendCommand(["INFO", "replication"])).includes("role:master");
  if (!(await isMaster()))
    await replica.client.sendCommand(["CLUSTER", "FAILOVER", "TAKEOVER"]).catch(async (error) => {
      if (!(await isMaster())) throw error;
    });
  await rig.until("the replica is a master", isMaster);
  rig.note("a replica that lagged is promoted");
}

async function under(rig: Rig, url: string, work: (world: World) => Promise<unknown>) {
  const closing: (() => unknown)[] = [];
  try {
    const rolling = await openRolling(rig.env);
    closing.push(() => rolling.close());
    const sagas = await openSagas(rig, url);
    closing.push(() => sagas.close());
    const world = await openWorld({ url, random: rig.random, sagas, rolling });
    closing.push(() => world.close());
    await world.during(rate, async () => {
      await sleep(1_500);
      await work(world);
      await sleep(1_500);
    });
    const { faults, stored, gone, uncopied, unnoted, audits } = await world.settled();
    const naive = await world.naive();
    const back = world.said.filter((text) => text.startsWith("Redis has gone back")).length;
    const renewed = world.said.filter((text) => text.startsWith("marks of a rollup are gone")).length;
    rig.note(
      `${stored} numbers in the log, ${gone} gone, ${uncopied} copies gone, ${unnoted} notes gone; told ${back} times, marks made anew ${renewed} times; vanished ${Object.values(audits ?? {}).map(({ vanished }) => vanished)}; the naive consumer lacks ${naive.missing} and has ${naive.extra} too many; of its sagas it lacks ${naive.sagas.missing} and has ${naive.sagas.extra} too many`,
    );
    const isWrong = [naive, naive.sagas].every(({ missing, extra }) => missing + extra > 0);
    const isSeen = isWrong ? [] : ["the naive consumer is right: nothing went back that mattered"];
    const said = faults.length > 0 ? [...world.said.slice(-20), ...sagas.said().split("\n").slice(-10)] : [];
    return { faults: [...faults, ...isSeen, ...said] };
  } finally {
    await closeAll(closing);
  }
}
