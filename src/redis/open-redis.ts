import { ErrorReply } from "redis";
import { ConfigError } from "../core/errors.ts";
import type { Redis } from "./client.ts";
import { Cluster } from "./cluster.ts";
import { type ConnectOptions, connect } from "./connection.ts";
import { redisFailure } from "./failure.ts";
import { Node } from "./node.ts";
import type { SlotsReply } from "./slots.ts";

/**
 * Opens the Redis at an address, or at the first of several that answers (`redis://one:6379,redis://two:6379`). Whether it is a
 * cluster, the server says itself: the address of any of its nodes will do.
 *
 * @throws ConfigError when the address does not parse or Redis refuses us, RetryableError when nothing answers there
 */
export async function openRedis(options: ConnectOptions): Promise<Redis> {
  const seeds = addressesIn(options.url).map((url) => ({ ...options, url }));
  const node = await firstThatAnswers(seeds);
  try {
    const slots = await node.send<SlotsReply>(["CLUSTER", "SLOTS"]);
    await node.close();
    return new Cluster({ slots, node, seeds });
  } catch (error) {
    // It stands alone, or gives us no right to ask: then it is taken for one that does.
    if (error instanceof ErrorReply && /^(ERR|NOPERM) /.test(error.message)) return standalone(node);
    await node.close();
    throw redisFailure(error);
  }
}

const standalone = (node: Node): Redis => ({
  send: (_, args) => node.send(args),
  sendAll: (_, commands) => node.sendAll(commands),
  slotOf: () => 0,
  serverOf: () => node,
  lookAgain: () => {},
  servers: () => [node],
  close: () => node.close(),
});

/** Commas may stand in a password: a new address begins where a scheme follows. */
const addressesIn = (urls: string): readonly string[] => urls.split(/,(?=[a-z]+:\/\/)/);

async function firstThatAnswers(seeds: readonly ConnectOptions[]): Promise<Node> {
  let failure: unknown;
  for (const options of seeds) {
    try {
      return new Node(options, await connect(options));
    } catch (error) {
      if (error instanceof ConfigError) throw error;
      failure = error;
    }
  }
  throw failure;
}
