import type { Commands } from "../../redis/client.ts";
import { isBefore } from "../entry-id.ts";
import { keys, type Partition } from "../partition.ts";
import { firstAfter, toMap } from "./group-state.ts";
import { readOutbox } from "./outbox.ts";

/** How a group stands to a partition, whosever it is, as far as the server tells. */
export interface GroupHealth {
  readonly name: string;
  /** A worker holds the lease; or, of another program's group, a consumer was there within the last minutes. */
  readonly isAlive: boolean;
  /** Entries given out and not acked, and entries never given out; at most so many. */
  readonly waiting: number;
  /** How long ago the oldest of them was stored, milliseconds; 0 where there is none. */
  readonly oldestMs: number;
  /** Entries that were removed before the group was given them; at least so many. */
  readonly lostUnread: number;
  /** Entries that were removed after the group was given them, and before it acked; at least so many. */
  readonly lostPending: number;
  /** What its pipeline has derived and is not yet where it belongs; undefined where there is none. */
  readonly outbox: OutboxHealth | undefined;
}

export interface OutboxHealth {
  readonly frames: number;
  /** How long ago the oldest of them was derived, milliseconds. */
  readonly oldestMs: number;
  /** The partition that the oldest is for; undefined where nobody can read that. */
  readonly to: string | undefined;
  /** The first of its oldest records that nobody can read. */
  readonly unreadable: { readonly outbox: string; readonly id: string; readonly fault: string } | undefined;
}

/** A consumer of another program that was not seen for so long is taken for gone. */
const aliveForMs = 600_000;
const pageSize = 1_000;
/** Records of an outbox that are looked into. */
const outboxPage = 64;

/** Looks at every group of a partition's log, and at those of `wanted` also where they are not there. Changes nothing. */
export async function groupHealth(
  redis: Commands,
  partition: Partition,
  wanted: readonly string[],
): Promise<readonly GroupHealth[]> {
  const stream = await infoStream(redis, partition.log);
  if (!stream || stream.added === 0) return [];
  const infos = await redis.send<(Buffer | number | null)[][]>(partition.log, ["XINFO", "GROUPS", partition.log]);
  const groups = new Map(infos.map((info) => [String(toMap(info).get("name")), toMap(info)]));
  const now = Number((await redis.send<[Buffer]>(partition.log, ["TIME"]))[0]) * 1_000;

  return Promise.all(
    [...new Set([...groups.keys(), ...wanted])].map(async (name) => {
      const group = groups.get(name);
      const delivered = group?.get("last-delivered-id") ?? "0-0";
      const pending = Number(group?.get("pending") ?? 0);
      const [firstPending] = pending > 0 ? await pendingIds(name, "+", 1) : [];
      const oldest = firstPending ?? (stream.length > 0 ? await firstAfter(redis, partition.log, delivered) : undefined);
      const lease = await leaseOf(name);
      const lag = Number(group?.get("lag") ?? Number.NaN);
      const lostPending =
        firstPending === undefined
          ? 0
          : stream.length === 0
            ? pending
            : (await pendingIds(name, `(${stream.first}`, pageSize)).length;
      return {
        name,
        isAlive: lease.isHeld || (!wanted.includes(name) && (await isSeen(name))),
        waiting: oldest === undefined ? 0 : pending + (Number.isNaN(lag) ? stream.length : lag),
        oldestMs: oldest === undefined ? 0 : ageMs(oldest),
        lostUnread: group ? lostUnread(stream, delivered, lease.seen ?? Number(group.get("entries-read"))) : 0,
        lostPending,
        outbox: await outboxOf(name),
      };
    }),
  );

  async function pendingIds(group: string, end: string, count: number): Promise<readonly string[]> {
    const reply = await redis.send<[Buffer][]>(partition.log, ["XPENDING", partition.log, group, "-", end, String(count)]);
    return reply.map(([id]) => String(id));
  }

  /** `seen` is our own count of what the group was given: the server's can be wrong once entries were removed. */
  async function leaseOf(group: string): Promise<{ readonly isHeld: boolean; readonly seen: number | undefined }> {
    const key = keys.lease(partition, group);
    const [owner, until, seen] = await redis.send<(Buffer | null)[]>(key, ["HMGET", key, "owner", "until", "seen"]);
    return { isHeld: Boolean(owner) && Number(until) > now, seen: seen ? Number(seen) : undefined };
  }

  async function outboxOf(pipeline: string): Promise<OutboxHealth | undefined> {
    const key = keys.outbox(partition, pipeline);
    const page = await readOutbox(redis, { partition, pipeline }, { count: outboxPage });
    const [oldest] = page;
    if (!oldest) return undefined;
    const frames = Number(await redis.send(key, ["XLEN", key]));
    const [unreadable] = page.flatMap((record) =>
      record.to === undefined ? [{ outbox: key, id: record.id, fault: record.fault }] : [],
    );
    return { frames, oldestMs: ageMs(oldest.id), to: oldest.to?.name, unreadable };
  }

  /** The clock of the server has made the ids too. */
  function ageMs(id: string): number {
    return Math.max(0, now - Number(id.split("-")[0]));
  }

  async function isSeen(group: string): Promise<boolean> {
    const consumers = await redis.send<(Buffer | number)[][]>(partition.log, ["XINFO", "CONSUMERS", partition.log, group]);
    return consumers.some((consumer) => Number(toMap(consumer).get("idle")) < aliveForMs);
  }
}

interface StreamInfo {
  /** Entries that it ever held, and holds. */
  readonly added: number;
  readonly length: number;
  readonly first: string;
  readonly lastGenerated: string;
  /** The newest entry that XDEL removed. */
  readonly lastDeleted: string;
}

async function infoStream(redis: Commands, log: string): Promise<StreamInfo | undefined> {
  if (!(await redis.send(log, ["EXISTS", log]))) return undefined;
  const info = toMap(await redis.send<(Buffer | number)[]>(log, ["XINFO", "STREAM", log]));
  return {
    added: Number(info.get("entries-added")),
    length: Number(info.get("length")),
    first: info.get("recorded-first-entry-id") ?? "0-0",
    lastGenerated: info.get("last-generated-id") ?? "0-0",
    lastDeleted: info.get("max-deleted-entry-id") ?? "0-0",
  };
}

/**
 * What was removed ahead of a group. Of all entries ever added it was given `read`; the others must still be there, as long as
 * it was given nothing of what is there now, and none may be left over once it was given the newest.
 */
function lostUnread({ added, length, first, lastGenerated, lastDeleted }: StreamInfo, delivered: string, read: number): number {
  // A group that has not begun may have come after the removal, which was then nobody's loss.
  if (delivered === "0-0") return 0;
  const deleted = isBefore(delivered, lastDeleted) ? 1 : 0;
  if (Number.isNaN(read)) return deleted;
  const left = delivered === lastGenerated ? 0 : length === 0 || isBefore(delivered, first) ? length : undefined;
  return left === undefined ? deleted : Math.max(deleted, added - read - left);
}
