import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startChild } from "./child.ts";
import type { Bench } from "./measure.ts";
import { installable, type Peer, peerDirectory, runIn } from "./peer.ts";

const version = "6.7.0";
/** BullMQ leaves the client of Redis to its user; this is the one that its documentation uses. */
const packages = [`bullmq@${version}`, "ioredis@5.11.1"];
const program = fileURLToPath(new URL("peers/bullmq.mjs", import.meta.url));
const directory = peerDirectory("bullmq");
const queue = "logins";
/** What its programs are told in the environment. */
const bullmqEnv = { BULLMQ: join(directory, "package.json"), QUEUE: queue };

/** BullMQ: its own queue, since it reads no streams; the same events as its jobs. */
export const bullmq: Peer = {
  ...installable("bullmq"),
  contestant: {
    name: "bullmq",
    prepare: fillQueue,
    sendTo: bullmqEnv,
    start: ({ stack, profileDir }) => startChild(program, [], { env: { ...stack.env, ...bullmqEnv }, profileDir }),
    done: async ({ stack, events }) => {
      const [waiting, active] = await Promise.all(["wait", "active"].map((state) => stack.redis.lLen(`bull:${queue}:${state}`)));
      return events.length - (waiting as number) - (active as number);
    },
    makesRows: true,
  },
  recipe: {
    version,
    install: (into) => runIn(into, "npm", ["install", "--prefix", into, "--no-audit", "--no-fund", ...packages]),
  },
};

/** Jobs of one call. */
const bulk = 2_000;

async function fillQueue({ events, stack }: Bench): Promise<void> {
  const { Queue } = createRequire(bullmqEnv.BULLMQ)("bullmq") as BullMq;
  const { hostname: host, port, password } = new URL(stack.redisUrl);
  const jobs = new Queue(queue, { connection: { host, port: Number(port), password } });
  for (let i = 0; i < events.length; i += bulk) {
    await jobs.addBulk(events.slice(i, i + bulk).map((data) => ({ name: "login", data, opts: { removeOnComplete: true } })));
  }
  await jobs.close();
}

interface BullMq {
  readonly Queue: new (
    name: string,
    options: object,
  ) => {
    addBulk(jobs: readonly object[]): Promise<unknown>;
    close(): Promise<void>;
  };
}
