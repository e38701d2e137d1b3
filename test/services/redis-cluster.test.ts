import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { encodeFrame } from "../../src/bus/frame.ts";
import { packStates } from "../../src/bus/packed-states.ts";
import { type Partition, partitionsOf } from "../../src/bus/partition.ts";
import type { Fence } from "../../src/bus/port.ts";
import { openRedisBus } from "../../src/bus/redis/bus.ts";
import { silentLogger } from "../../src/core/log.ts";
import { openRedis } from "../../src/redis/open-redis.ts";
import { nothing } from "../support/bus-twins.ts";
import { headrace, startHeadrace, tryHeadrace } from "../support/headrace.ts";
import { type AuditLine, type DeadLetterLine, type LagLine, linesOf, openOperator } from "../support/operator.ts";
import { type ClusterNode, type OwnCluster, startCluster } from "../support/redis-cluster.ts";
import { type Outcome, Traffic } from "../support/traffic.ts";
import { envelopeOf } from "../support/workbench.ts";

const patience = { timeout: 40_000, interval: 20 } as const;

let cluster: OwnCluster;
beforeAll(async () => {
  cluster = await startCluster(3);
}, 60_000);
afterAll(() => cluster.close(), 60_000);

const otherThan = (node: ClusterNode) => cluster.masters.find((master) => master !== node) as ClusterNode;

/** Every event that was sent has landed, for each key in the order of sending, and is accounted for. */
function expectAllThere({ sent, landed, audit }: Outcome): void {
  expect(landed).toHaveLength(sent);
  const newest = new Map<string, number>();
  for (const { key, n } of landed) {
    expect(n).toBeGreaterThan(newest.get(key) ?? -1);
    newest.set(key, n);
  }
  expect(audit).toMatchObject({ read: sent, delivered: sent, deadLettered: {}, inFlight: 0, lost: 0, balanced: true });
}

describe("on a Redis Cluster", () => {
  it("events flow on while slots of partitions move to other masters and back", async () => {
    const traffic = new Traffic("moved");
    try {
      await traffic.start(cluster.masters[0].url);
      await traffic.acknowledges(500);
      for (const { log } of traffic.partitions.slice(0, 3)) {
        const home = await cluster.ownerOf(log);
        for (const to of [otherThan(home), home]) {
          // Partitions beside it go on while one is on its way.
          await cluster.moveSlotOf(log, to, () => traffic.acknowledges(1));
          expect((await cluster.ownerOf(log)).id).toBe(to.id);
          await traffic.acknowledges(200);
        }
      }
      expectAllThere(await traffic.outcome());
    } finally {
      await traffic.close();
    }
  }, 120_000);

  it("what is asked of a slot on its way is answered where it goes, and a reader that waits hears there of what comes", async () => {
    const layout = { kind: "partitioned", partitions: 1 } as const;
    const partition = partitionsOf({ kind: "stream", name: "rung", events: [], layout })[0] as Partition;
    const home = await cluster.ownerOf(partition.log);
    const bus = await openRedisBus({ url: cluster.masters[0].url, logger: silentLogger });
    const { signal } = new AbortController();
    const append = async (sequence: number) => {
      const frame = encodeFrame([envelopeOf(sequence, "thing.happened", {})]);
      const appended = await bus.append(partition, { producer: "p", incarnation: 1, sequence, ...frame });
      return appended.kind === "stored" ? appended.entry : appended.kind;
    };
    try {
      const acquired = await bus.acquire(partition, "pipe", { owner: "w", ttlMs: 60_000 });
      if (acquired.kind !== "owned") throw new Error("taken");
      const fence: Fence = { partition, pipeline: "pipe", owner: "w", epoch: acquired.epoch, tenure: acquired.tenure };
      const first = await append(0);
      await bus.read(fence, { from: "new", after: "0-0", count: 10 });
      await bus.commit(fence, {
        ...nothing,
        number: 1,
        entries: [first],
        keyed: { states: packStates([{ name: "seen", json: "1" }]), timers: [], seen: [] },
      });
      const waiting = bus.wait([{ partition, after: first }], 60_000, signal);
      const isListening = async () =>
        expect(String(await home.client.sendCommand(["CLIENT", "LIST"]))).toMatch(/ name=headrace-doorbell .* cmd=xread /);
      await vi.waitFor(isListening, patience);
      await cluster.moveSlotOf(partition.log, otherThan(home), async () => {
        expect(await bus.outbox(partition, "pipe", { count: 1 })).toEqual([]);
      });
      await vi.waitFor(() => append(1), patience);
      await waiting;
      expect(await bus.states(fence, ["seen"])).toEqual(["1"]);
      expect(await bus.read(fence, { from: "new", after: first, count: 10 })).toMatchObject({ entries: [{ events: 1 }] });
    } finally {
      await bus.close();
    }
  }, 30_000);

  it("every verb works that reads or writes streams", async () => {
    const operator = await openOperator();
    // Any node will do, and one that is away does no harm among several.
    const env = { ...operator.env, REDIS_URL: `redis://127.0.0.1:1,${otherThan(cluster.masters[0]).url}` };
    const lines = async <Line>(...args: readonly string[]) =>
      linesOf<Line>((await tryHeadrace([...args, "--json"], { env })).stdout);
    const worker = async () => startHeadrace(["start", "--role", "worker", "--pipelines", "login-analytics", "--json"], { env });
    await headrace(["migrate", "--apply"], { env });
    const started = await worker();
    try {
      const input = Array.from({ length: 1_000 }, (_, n) =>
        JSON.stringify({ id: `cluster-${n}`, type: "login.failed", data: { userId: `user-${n}`, ip: "203.0.113.7" } }),
      ).join("\n");
      await headrace(["send", "logins"], { env, input });
      const { client } = await cluster.ownerOf("app:logins");
      await client.xAdd("app:logins", "*", { data: "no event" });
      const audited = async () => (await lines<AuditLine>("audit")).find((line) => line.pipeline === "login-analytics");
      await vi.waitFor(async () => expect(await audited()).toMatchObject({ read: 1_001, inFlight: 0 }), {
        ...patience,
        interval: 500,
      });
      expect(await audited()).toMatchObject({ delivered: 1_000, deadLettered: { "not-json": 1 }, lost: 0, balanced: true });
      const lag = (await lines<LagLine>("lag")).filter((line) => line.pipeline === "login-analytics");
      expect(lag.map(({ owner, lag: behind }) => [owner, behind])).toEqual(lag.map(() => [started.ready["instance"], 0]));
      expect(lag).toHaveLength(9);
      const { instance } = started.ready;
      expect(await lines("ps")).toMatchObject([{ instance }]);
      const found = (await lines<{ where?: string }>("doctor")).map(({ where }) => where);
      expect(found).toEqual(expect.arrayContaining(cluster.masters.map(({ port }) => `redis appendfsync of 127.0.0.1:${port}`)));
      expect(await lines<DeadLetterLine>("dlq", "show")).toMatchObject([{ reason: "not-json", partition: "app-logins" }]);
      expect(await operator.sql("SELECT toUInt32(count()) AS rows FROM login_events FINAL")).toEqual([{ rows: 1_000 }]);
    } finally {
      await started.stop();
    }
  }, 120_000);

  it("what was acknowledged and copied survives a killed master, and events flow on when its replica has taken over", async () => {
    const traffic = new Traffic("failover");
    const master = await cluster.ownerOf((traffic.partitions[0] as Partition).log);
    const replica = await cluster.addReplica(master);
    try {
      await traffic.start(otherThan(master).url);
      await traffic.acknowledges(1_000);
      // Redis copies after it has answered: what is sent and killed at once may be lost. So nothing is sent for this moment.
      await traffic.pause();
      await copied(master);
      await master.kill();
      traffic.goOn();
      await takenOver(traffic, replica);
      await traffic.acknowledges(1_000);
      expectAllThere(await traffic.outcome());
    } finally {
      await traffic.close();
    }
  }, 120_000);

  // This one and the next wait most of the time, on clusters that have nothing in common: so they run side by side.
  it.concurrent("a master that falls silent is given up, and events flow on when its replica has taken over", async () => {
    const traffic = new Traffic("silent");
    const owners = await Promise.all(traffic.partitions.map(({ log }) => cluster.ownerOf(log)));
    const master = owners.find((owner) => cluster.masters.includes(owner)) as ClusterNode;
    const replica = await cluster.addReplica(master);
    try {
      await traffic.start(owners.find((owner) => owner !== master)?.url ?? "");
      await traffic.acknowledges(1_000);
      await traffic.pause();
      await copied(master);
      master.freeze();
      traffic.goOn();
      await takenOver(traffic, replica);
      await traffic.acknowledges(1_000);
      expectAllThere(await traffic.outcome());
    } finally {
      await traffic.close();
    }
  }, 120_000);

  it.concurrent("who has slept while all that it knew of died is found by their replicas", async () => {
    const own = await startCluster(1);
    const [master] = own.masters;
    const replica = await own.addReplica(master);
    const named = async () => JSON.stringify(await master.client.sendCommand(["CLUSTER", "SLOTS"]));
    await vi.waitFor(async () => expect(await named()).toContain(`${replica.port}`), patience);
    const redis = await openRedis({ url: master.url, logger: silentLogger, name: "sleeper" });
    try {
      await master.kill();
      await replica.client.sendCommand(["CLUSTER", "FAILOVER", "TAKEOVER"]);
      await vi.waitFor(async () => expect(String(await redis.send("k", ["SET", "k", "v"]))).toBe("OK"), patience);
    } finally {
      await redis.close();
      await own.close();
    }
  }, 60_000);
});

const takenOver = ({ partitions }: Traffic, replica: ClusterNode): Promise<void> =>
  vi.waitFor(async () => {
    const owners = await Promise.all(partitions.map(({ log }) => cluster.ownerOf(log)));
    expect(owners).toContain(replica);
  }, patience);

/** Resolves when the replica of a master has all that the master has written so far. */
async function copied({ client }: ClusterNode): Promise<void> {
  // WAIT concerns the writes of whoever asks: one of its own comes after all others.
  const slots = (await client.sendCommand(["CLUSTER", "SLOTS"])) as unknown as [number, number, [string, number, string]][];
  const id = String(await client.sendCommand(["CLUSTER", "MYID"]));
  const [first] = slots.find(([, , [, , owner]]) => owner === id) ?? [];
  let n = 0;
  while (Number(await client.sendCommand(["CLUSTER", "KEYSLOT", `mark-${n}`])) !== first) n++;
  await client.sendCommand(["SET", `mark-${n}`, "1"]);
  expect(await client.sendCommand(["WAIT", "1", "10000"])).toBe(1);
}
