import type { Commands } from "../../redis/client.ts";
import { keys, type Partition, replayOf } from "../partition.ts";
import type { GroupState } from "../port.ts";
import { vanishedOf } from "../vanished.ts";
import { runScript } from "./scripts.ts";

const pageSize = 1_000;

type LogReply = readonly [
  pendingEntries: number,
  pendingEvents: number,
  firstPending: Buffer | null,
  lag: number | null,
  lastDelivered: Buffer,
];

type TotalsReply = readonly [
  added: number | null,
  seen: Buffer | null,
  frames: Buffer | null,
  eventsInFrames: Buffer | null,
  seenEvents: Buffer | null,
  vanished: Buffer | null,
];

/** Looks at a group without touching it. All counts are of one moment, but for a lag that the server does not know. */
export async function groupState(redis: Commands, partition: Partition, pipeline: string): Promise<GroupState> {
  const replay = replayOf(partition, pipeline);
  const [owner, epoch, ledger, main, replayed, totals] = await runScript<
    [Buffer | null, Buffer | null, Buffer[], LogReply, LogReply, TotalsReply]
  >(redis, "inspect", {
    keys: [
      keys.lease(partition, pipeline),
      keys.ledger(partition, pipeline),
      keys.meta(partition),
      partition.log,
      keys.open(partition, pipeline),
      replay.log,
      keys.open(replay, pipeline),
    ],
    args: [pipeline],
  });
  const logs = await Promise.all(
    [
      { log: partition.log, reply: main },
      { log: replay.log, reply: replayed },
    ].map(async ({ log, reply: [pendingEntries, pendingEvents, firstPending, lag, delivered] }) => {
      const lagEntries = lag ?? (await countAfter(redis, log, String(delivered)));
      const oldest = firstPending ?? (lagEntries > 0 ? await firstAfter(redis, log, String(delivered)) : undefined);
      return { pendingEntries, pendingEvents, lagEntries, oldest: oldest ? Number(String(oldest).split("-")[0]) : undefined };
    }),
  );
  const counts = Object.fromEntries([...toMap(ledger)].map(([name, count]) => [name, numberIn(count)]));
  const sum = (of: "pendingEntries" | "pendingEvents" | "lagEntries") => logs.reduce((all, log) => all + log[of], 0);
  const times = logs.flatMap(({ oldest }) => (oldest === undefined ? [] : [oldest]));
  return {
    owner: owner ? String(owner) : undefined,
    epoch: numberIn(epoch),
    pendingEntries: sum("pendingEntries"),
    pendingEvents: sum("pendingEvents"),
    lagEntries: sum("lagEntries"),
    oldest: times.length > 0 ? Math.min(...times) : undefined,
    lastDelivered: String(main[4]),
    counts,
    vanished: vanishedOf({ told: numberIn(totals[5]), counts }),
    lost: lostOf(totals, logs[0]?.lagEntries ?? 0),
  };
}

/** Whatever was stored, was not given out, and is not there to be given out any more. */
function lostOf([added, seen, frames, framed, seenEvents]: TotalsReply, lag: number): GroupState["lost"] {
  if (added === null || seen === null || Number.isNaN(Number(seen))) return { entries: 0, events: 0 };
  const entries = Math.max(0, added - Number(seen) - lag);
  // Nobody knows how many events the unread entries hold, nor those that were gone before the group began.
  if (lag > 0 || seenEvents === null || Number.isNaN(Number(seenEvents))) return { entries, events: entries };
  const stored = numberIn(framed) + added - numberIn(frames);
  return { entries, events: Math.max(0, stored - Number(seenEvents)) };
}

/** A counter that somebody has made no number counts from nothing, as the scripts do. */
const numberIn = (text: Buffer | string | null): number => Number(text ?? 0) || 0;

export async function firstAfter(redis: Commands, log: string, id: string): Promise<string | undefined> {
  const reply = await redis.send<[Buffer][]>(log, ["XRANGE", log, `(${id}`, "+", "COUNT", "1"]);
  return reply[0] ? String(reply[0][0]) : undefined;
}

/** Counted by hand where the server does not say: its own lag is nil after deletions in the middle, and for no group. */
async function countAfter(redis: Commands, log: string, id: string): Promise<number> {
  let count = 0;
  for (let after = id; ; ) {
    const page = await redis.send<[Buffer][]>(log, ["XRANGE", log, `(${after}`, "+", "COUNT", String(pageSize)]);
    count += page.length;
    const last = page.at(-1);
    if (page.length < pageSize || !last) return count;
    after = String(last[0]);
  }
}

export function toMap(flat: readonly (Buffer | number | null)[]): ReadonlyMap<string, string> {
  const map = new Map<string, string>();
  for (let i = 0; i + 1 < flat.length; i += 2) map.set(String(flat[i]), String(flat[i + 1]));
  return map;
}
