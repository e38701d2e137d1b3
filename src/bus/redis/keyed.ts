import { nth } from "../../core/nth.ts";
import type { Commands } from "../../redis/client.ts";
import type { IdSet, KeyedCommit, StoredTimer, TimerPlace } from "../keyed-store.ts";
import { keys, type Partition } from "../partition.ts";
import type { Fence } from "../port.ts";
import { runScript } from "./scripts.ts";
import { tokenOf } from "./token.ts";

/** What a part of a commit adds to its keys and arguments. `types`: a letter for each key, as library.lua knows them. */
export interface MoreArgs {
  readonly keys: readonly string[];
  readonly types: string;
  readonly args: readonly (string | number | Buffer)[];
}

/** The keys and arguments that a commit of keyed state adds to those of every commit. Keys are named by their places among them. */
export function keyedArgs({ partition, pipeline }: Fence, commit: KeyedCommit | undefined, firstKey: number): MoreArgs {
  if (!commit) return { keys: [], types: "", args: [0, "", 0, 0] };
  const places = new Map<string, number>();
  let types = "";
  const place = (key: string, type: "z" | "s"): number => {
    const known = places.get(key);
    if (known !== undefined) return known;
    places.set(key, firstKey + places.size);
    types += type;
    return firstKey + places.size - 1;
  };
  const { states, timers, seen } = commit;
  const args: (string | number | Buffer)[] = [states.count, states.bytes, timers.length];
  for (const { member, at, ...of } of timers) args.push(place(keys.timers(partition, pipeline, of), "z"), member, at ?? "");
  args.push(seen.length);
  for (const { set, ids, ttlMs } of seen) {
    args.push(place(keys.seen(partition, pipeline, set), "s"), ttlMs, ids.length);
    for (const id of ids) args.push(bytesOf(id));
  }
  return { keys: [...places.keys()], types, args };
}

export async function readTimers(
  redis: Commands,
  fence: Fence,
  { from, count, ...place }: TimerPlace & { readonly from: number; readonly count: number },
): Promise<readonly StoredTimer[] | "fenced"> {
  const { partition, pipeline, owner } = fence;
  const reply = await runScript<readonly Buffer[] | null>(redis, "timers", {
    keys: [keys.lease(partition, pipeline), keys.timers(partition, pipeline, place)],
    args: [owner, tokenOf(fence), Number.isFinite(from) ? from : "-inf", count],
  });
  if (reply === null) return "fenced";
  const flat = reply.map(String);
  return Array.from({ length: flat.length / 2 }, (_, i) => ({ member: nth(flat, 2 * i), at: Number(flat[2 * i + 1]) }));
}

export async function readSeen(
  redis: Commands,
  fence: Fence,
  wanted: readonly IdSet[],
): Promise<readonly (readonly boolean[])[] | "fenced"> {
  const { partition, pipeline, owner } = fence;
  const reply = await runScript<readonly (readonly number[])[] | null>(redis, "seen", {
    keys: [keys.lease(partition, pipeline), ...wanted.map(({ set }) => keys.seen(partition, pipeline, set))],
    args: [owner, tokenOf(fence), ...wanted.flatMap(({ ids }) => [ids.length, ...ids.map(bytesOf)])],
  });
  if (reply === null) return "fenced";
  return reply.map((flags) => flags.map((flag) => flag === 1));
}

export async function readState(redis: Commands, partition: Partition, pipeline: string, name: string): Promise<string | null> {
  const key = keys.states(partition, pipeline);
  const reply = await redis.send<Buffer | null>(key, ["HGET", key, name]);
  return reply === null ? null : String(reply);
}

/** A UUID in its 16 bytes: half of what its text takes. */
const bytesOf = (uuid: string): Buffer => Buffer.from(uuid.replaceAll("-", ""), "hex");
