import { keys, type Partition } from "../partition.ts";
import type { GroupState } from "../port.ts";
import type { Connection } from "./connection.ts";
import { runScript } from "./scripts.ts";

const pageSize = 1_000;

/** Looks at a group without touching it. Counts and pending events are of one moment; the lag may be a moment later. */
export async function groupState(redis: Connection, partition: Partition, pipeline: string): Promise<GroupState> {
  const logs = [...new Set([partition.log, keys.replay(partition, pipeline)])];
  const [owner, epoch, ledger, pendingEntries, pendingEvents, firstPending] = (await runScript(redis, "inspect", {
    keys: [keys.lease(partition, pipeline), keys.ledger(partition, pipeline), ...logs],
    args: [pipeline],
  })) as [Buffer | null, Buffer | null, Buffer[], number, number, Buffer | null];
  const waiting = await Promise.all(logs.map((log) => waitingIn(redis, log, pipeline)));
  const oldest = firstPending ? String(firstPending) : waiting.find(({ first }) => first !== undefined)?.first;
  return {
    owner: owner ? String(owner) : undefined,
    epoch: Number(epoch ?? 0),
    pendingEntries,
    pendingEvents,
    lagEntries: waiting.reduce((sum, { lag }) => sum + lag, 0),
    oldest: oldest === undefined ? undefined : Number(oldest.split("-")[0]),
    lastDelivered: waiting[0]?.delivered ?? "0-0",
    counts: Object.fromEntries([...toMap(ledger)].map(([name, count]) => [name, Number(count)])),
  };
}

/** What a group has not been given of a log. */
async function waitingIn(redis: Connection, log: string, group: string) {
  const info = (await infoGroups(redis, log)).find((one) => one.get("name") === group);
  const delivered = info?.get("last-delivered-id") ?? "0-0";
  const first = await firstAfter(redis, log, delivered);
  const lag = Number(info?.get("lag") ?? Number.NaN) || (first === undefined ? 0 : await countAfter(redis, log, delivered));
  return { delivered, first, lag };
}

async function infoGroups(redis: Connection, log: string): Promise<readonly ReadonlyMap<string, string>[]> {
  try {
    const reply = (await redis.sendCommand(["XINFO", "GROUPS", log])) as unknown as (Buffer | number | null)[][];
    return reply.map(toMap);
  } catch (error) {
    if (error instanceof Error && error.message.includes("no such key")) return [];
    throw error;
  }
}

async function firstAfter(redis: Connection, log: string, id: string): Promise<string | undefined> {
  const reply = (await redis.sendCommand(["XRANGE", log, `(${id}`, "+", "COUNT", "1"])) as unknown as [Buffer][];
  return reply[0] ? String(reply[0][0]) : undefined;
}

/** Counted by hand where the server does not say: its own lag is nil after deletions in the middle, and for no group. */
async function countAfter(redis: Connection, log: string, id: string): Promise<number> {
  let count = 0;
  for (let after = id; ; ) {
    const page = (await redis.sendCommand(["XRANGE", log, `(${after}`, "+", "COUNT", String(pageSize)])) as unknown as [Buffer][];
    count += page.length;
    const last = page.at(-1);
    if (page.length < pageSize || !last) return count;
    after = String(last[0]);
  }
}

function toMap(flat: readonly (Buffer | number | null)[]): ReadonlyMap<string, string> {
  const map = new Map<string, string>();
  for (let i = 0; i + 1 < flat.length; i += 2) map.set(String(flat[i]), String(flat[i + 1]));
  return map;
}
