import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "../../src/core/log.ts";
import { findProgram } from "../../src/stack/binaries/find-program.ts";
import { redisProgram } from "../../src/stack/binaries/programs.ts";
import { redisPlan } from "../../src/stack/services/redis-plan.ts";
import { endWithUs } from "./after-us.ts";
import { freePort } from "./free-port.ts";
import { redisClient } from "./redis.ts";
import { waitFor } from "./wait-for.ts";

const slots = 16_384;
/** After this time without an answer a master counts as failed, and its replica asks to take its place. */
const nodeTimeoutMs = 1_000;
const patience = { timeout: 30_000, interval: 50 } as const;

type Client = Awaited<ReturnType<typeof redisClient>>;

/** A server of a cluster. */
export interface ClusterNode {
  readonly url: string;
  readonly port: number;
  /** Its name within the cluster. */
  readonly id: string;
  /** What an operator sends to this very server. */
  readonly client: Client;
  /** kill -9. */
  kill(): Promise<void>;
  /** It keeps its connections and answers nothing (SIGSTOP), as when its host has vanished. */
  freeze(): void;
}

/** A Redis Cluster of one test file alone: masters that share the slots, each a server of its own. */
export interface OwnCluster {
  readonly masters: readonly [ClusterNode, ...ClusterNode[]];
  /** The master that owns a key's slot at this moment. */
  ownerOf(key: string): Promise<ClusterNode>;
  /** Moves a key's slot with all that is in it. `onTheWay` is called in the middle: the keys are over, and nobody knows of it yet. */
  moveSlotOf(key: string, to: ClusterNode, onTheWay?: () => Promise<void>): Promise<void>;
  /** Starts a replica of a master; resolves when it follows. */
  addReplica(master: ClusterNode): Promise<ClusterNode>;
  /** Ends every server and removes its data. */
  close(): Promise<void>;
}

/** `settingsOf`: more of redis.conf for the server on a port. */
export async function startCluster(
  masterCount = 3,
  settingsOf: (port: number) => Promise<Readonly<Record<string, string>>> = async () => ({}),
): Promise<OwnCluster> {
  const { path: binary } = await findProgram(redisProgram, { env: process.env, log: silentLogger });
  const directory = await mkdtemp(join(tmpdir(), "headrace-cluster-"));
  const nodes: ClusterNode[] = [];
  const children: ChildProcess[] = [];
  const alive = () => nodes.filter(({ client }) => client.isOpen);
  const close = async () => {
    for (const { client } of alive()) client.destroy();
    await Promise.all(children.map(killed));
    await rm(directory, { recursive: true, force: true });
  };
  const start = async (): Promise<ClusterNode> => {
    const [port, busPort] = [await freePort(), await freePort()];
    const dir = join(directory, String(children.length));
    await mkdir(join(dir, "redis"), { recursive: true });
    const plan = redisPlan({ binary, dir, port, appendFsync: "everysec" });
    const settings = {
      "cluster-enabled": "yes",
      "cluster-port": String(busPort),
      "cluster-node-timeout": String(nodeTimeoutMs),
      // A replica takes over also when it has not heard of its master for long: on a busy machine that is soon.
      "cluster-replica-validity-factor": "0",
      "databases": "1",
      ...(await settingsOf(port)),
    };
    const more = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    const child = endWithUs(spawn(plan.command, [...plan.args, ...more], { stdio: "ignore" }));
    children.push(child);
    await waitFor(() => plan.check(), patience);
    const url = `redis://127.0.0.1:${port}`;
    const client = await redisClient(url);
    const id = String(await client.sendCommand(["CLUSTER", "MYID"]));
    const kill = async () => {
      client.destroy();
      await killed(child);
    };
    const freeze = () => {
      client.destroy();
      child.kill("SIGSTOP");
    };
    const node = { url, port, id, client, kill, freeze };
    const [first] = alive();
    nodes.push(node);
    await first?.client.sendCommand(["CLUSTER", "MEET", "127.0.0.1", String(port), String(busPort)]);
    return node;
  };
  const everyoneKnowsEveryone = () =>
    waitFor(async () => {
      for (const { client } of alive()) {
        const info = String(await client.sendCommand(["CLUSTER", "INFO"]));
        const isWhole = ["cluster_state:ok", `cluster_slots_assigned:${slots}`, `cluster_known_nodes:${nodes.length}`];
        if (!isWhole.every((line) => info.includes(line))) throw new Error(`the cluster is not whole: ${info}`);
      }
    }, patience);

  try {
    for (let i = 0; i < masterCount; i++) {
      const { client } = await start();
      const first = Math.ceil((i * slots) / masterCount);
      const last = Math.ceil(((i + 1) * slots) / masterCount) - 1;
      await client.sendCommand(["CLUSTER", "ADDSLOTSRANGE", String(first), String(last)]);
    }
    await everyoneKnowsEveryone();
  } catch (error) {
    await close();
    throw error;
  }

  const masters = nodes.slice(0, masterCount) as unknown as OwnCluster["masters"];
  const ask = <Reply>(...args: readonly string[]) => (alive()[0] as ClusterNode).client.sendCommand(args) as Promise<Reply>;
  const slotOf = (key: string) => ask<number>("CLUSTER", "KEYSLOT", key);
  const ownerOf = async (key: string) => {
    const slot = await slotOf(key);
    const ranges = await ask<[first: number, last: number, master: [host: string, port: number, id: string]][]>(
      "CLUSTER",
      "SLOTS",
    );
    const id = ranges.find(([first, last]) => first <= slot && slot <= last)?.[2][2];
    const owner = nodes.find((node) => node.id === id);
    if (!owner) throw new Error(`nobody owns slot ${slot}`);
    return owner;
  };

  return {
    masters,
    ownerOf,
    close,
    async moveSlotOf(key, to, onTheWay) {
      const [slot, from] = [String(await slotOf(key)), await ownerOf(key)];
      await to.client.sendCommand(["CLUSTER", "SETSLOT", slot, "IMPORTING", from.id]);
      await from.client.sendCommand(["CLUSTER", "SETSLOT", slot, "MIGRATING", to.id]);
      for (;;) {
        const keys = (await from.client.sendCommand(["CLUSTER", "GETKEYSINSLOT", slot, "2"])) as unknown as string[];
        if (keys.length === 0) break;
        await from.client.sendCommand(["MIGRATE", "127.0.0.1", String(to.port), "", "0", "5000", "KEYS", ...keys]);
      }
      await onTheWay?.();
      for (const { client } of [to, from, ...masters.filter((node) => node !== to && node !== from)]) {
        if (client.isOpen) await client.sendCommand(["CLUSTER", "SETSLOT", slot, "NODE", to.id]);
      }
    },
    async addReplica(master) {
      const replica = await start();
      await everyoneKnowsEveryone();
      await replica.client.sendCommand(["CLUSTER", "REPLICATE", master.id]);
      await waitFor(async () => {
        const info = String(await replica.client.sendCommand(["INFO", "replication"]));
        if (!info.includes("master_link_status:up")) throw new Error("the replica does not follow yet");
      }, patience);
      return replica;
    },
  };
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
}
