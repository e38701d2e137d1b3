import { randomInt } from "node:crypto";
import type { Logger } from "../../core/log.ts";
import type { Redis } from "../../redis/client.ts";
import type { RedisAddress } from "../../redis/connection.ts";
import { answerOf } from "../../redis/failure.ts";
import { openRedis } from "../../redis/open-redis.ts";
import type { Reply, ScriptCall } from "../../redis/scripts.ts";
import { type TimeReply, timeOf } from "../../redis/server.ts";
import type { Durability } from "../durability.ts";
import type { IdSet, KeyedStore, StoredTimer } from "../keyed-store.ts";
import { keys, outboxPrefix, type Partition, replayOf } from "../partition.ts";
import {
  type Acquired,
  type Appended,
  type Bus,
  type Commit,
  consumerName,
  type DeadLetter,
  type Fence,
  type Frame,
  type GroupState,
  type LogEntry,
  maxDeadLetterBytes,
  type OutboxRecord,
  type ReadRequest,
  type ReadResult,
  type Relayed,
  type RelayedFrame,
  type Trimmed,
  type TrimRequest,
  type VanishedOf,
  type Watch,
  type WentBack,
} from "../port.ts";
import type { LetterKey, LetterMoved, Reread, RereadRequest } from "../replays.ts";
import { Appenders } from "./appenders.ts";
import { isBehind, wentBack } from "./behind.ts";
import { commitCall } from "./commit.ts";
import { readDeadLetters } from "./dead-letters.ts";
import { groupState } from "./group-state.ts";
import { readSeen, readState, readTimers } from "./keyed.ts";
import { naming } from "./log-key.ts";
import { LogWatchers } from "./log-watchers.ts";
import { readNames } from "./names.ts";
import { readNewest } from "./newest.ts";
import { readOutbox, relayFrame } from "./outbox.ts";
import { isAdopted, readEntries } from "./read.ts";
import { readPlain } from "./read-plain.ts";
import { runScript, type ScriptName } from "./scripts.ts";
import { readStrays, rememberStrays } from "./strays.ts";
import { tokenOf } from "./token.ts";

export interface RedisBusOptions extends RedisAddress {
  readonly logger: Logger;
  /** What the dead letters of a partition may take, bytes. @default 64 MiB */
  readonly deadLetterBytes?: number;
}

/**
 * Opens the bus on Redis Streams, on one server or a cluster: to each server one connection for commands, one for each level that
 * frames are appended at, and others for waiting.
 */
export async function openRedisBus({ deadLetterBytes = maxDeadLetterBytes, ...options }: RedisBusOptions): Promise<Bus> {
  return new RedisBus(await openRedis({ ...options, name: "headrace" }), deadLetterBytes);
}

class RedisBus implements Bus {
  readonly #redis: Redis;
  readonly #watchers: LogWatchers;
  readonly #appenders: Appenders;
  readonly #deadLetterBytes: number;

  constructor(redis: Redis, deadLetterBytes: number) {
    this.#redis = redis;
    this.#deadLetterBytes = deadLetterBytes;
    this.#watchers = new LogWatchers(redis);
    this.#appenders = new Appenders(redis);
  }

  async acquire(
    partition: Partition,
    pipeline: string,
    lease: { readonly owner: string; readonly ttlMs: number },
  ): Promise<Acquired> {
    const acquiring = this.#run<[number, number | Buffer, number | Buffer, ...(Buffer | undefined)[]]>(
      "acquire",
      [keys.lease(partition, pipeline), partition.log, keys.open(partition, pipeline), keys.ledger(partition, pipeline)],
      [lease.owner, lease.ttlMs, pipeline, randomInt(1024)],
    );
    const [owned, second, third, fourth, ...unreadable] = await naming(this.#redis, { partition, pipeline }, acquiring);
    if (owned === 1) {
      const taken = { epoch: Number(second), tenure: Number(String(third)), lastDelivered: String(fourth) };
      return { kind: "owned", ...taken, ...(unreadable.length > 0 && { unreadable: unreadable.map(String) }) };
    }
    return { kind: "taken", owner: String(second), leftMs: Number(third) };
  }

  async renew(fence: Fence, ttlMs: number): Promise<boolean> {
    return (await this.#run("renew", [leaseOf(fence)], [fence.owner, tokenOf(fence), ttlMs])) === 1;
  }

  async release(fence: Fence): Promise<void> {
    await this.#run("release", [leaseOf(fence)], [fence.owner, tokenOf(fence)]);
  }

  read(fence: Fence, request: ReadRequest): Promise<ReadResult> {
    return naming(this.#redis, fence, this.#read(fence, request));
  }

  async #read(fence: Fence, request: ReadRequest): Promise<ReadResult> {
    const { from, count, known = { commits: 0, reads: 0 } } = request;
    if (from === "new" && isAdopted(fence.partition)) {
      const result = await answerOf(readPlain(this.#redis, fence, { count, known }));
      if (result) return result;
    }
    return answerOf(readEntries(this.#redis, fence, request));
  }

  async nack({ partition, pipeline }: Fence, entries: readonly string[]): Promise<void> {
    // Some at a time: a script keeps everyone else waiting.
    for (let first = 0; first < entries.length; first += 1_000) {
      const ids = entries.slice(first, first + 1_000);
      await this.#run("nack", [partition.log], [pipeline, consumerName, ...ids]);
    }
  }

  async states(fence: Fence, names: readonly string[]): Promise<readonly (string | null)[] | "fenced"> {
    if (names.length === 0) return [];
    const { partition, pipeline, owner } = fence;
    const call = {
      keys: [leaseOf(fence), keys.states(partition, pipeline)] as const,
      args: [owner, tokenOf(fence), ...names],
    };
    const reply = await this.#named(fence, runScript<(Buffer | null)[] | null>(this.#redis, "states", call));
    if (reply === null) return "fenced";
    return reply.map((value) => (value === null ? null : String(value)));
  }

  async timers(fence: Fence, page: Parameters<KeyedStore["timers"]>[1]): Promise<readonly StoredTimer[] | "fenced"> {
    return this.#named(fence, readTimers(this.#redis, fence, page));
  }

  async seen(fence: Fence, wanted: readonly IdSet[]): Promise<readonly (readonly boolean[])[] | "fenced"> {
    return wanted.length === 0 ? [] : this.#named(fence, readSeen(this.#redis, fence, wanted));
  }

  names(fence: Fence, pages: number) {
    return this.#named(fence, readNames(this.#redis, fence, pages));
  }

  peek(partition: Partition, pipeline: string, name: string): Promise<string | null> {
    return answerOf(readState(this.#redis, partition, pipeline, name));
  }

  async commit(fence: Fence, commit: Commit): Promise<"committed" | "fenced" | WentBack> {
    const reply = await this.#named(fence, runScript(this.#redis, "commit", commitCall(fence, commit, this.#deadLetterBytes)));
    if (isBehind(reply)) return wentBack(reply);
    return reply === 1 ? "committed" : "fenced";
  }

  async append(partition: Partition, frame: Frame, durability: Durability = { kind: "memory" }): Promise<Appended> {
    const { producer, incarnation, sequence, count, codec, minTime, maxTime, checksum, body } = frame;
    const reply = await this.#appenders.append(durability, {
      keys: [partition.log, keys.producers(partition), keys.meta(partition)],
      args: [producer, incarnation, sequence, count, codec, minTime, maxTime, checksum, body],
    });
    const [kind, detail] = reply as [Buffer, Buffer | number | undefined];
    switch (String(kind)) {
      case "stored":
        return { kind: "stored", entry: String(detail) };
      case "gap":
        return { kind: "gap", last: Number(detail) };
      case "superseded":
        return { kind: "superseded", incarnation: Number(detail) };
      default:
        return { kind: "duplicate" };
    }
  }

  checkDurability(durability: Durability): Promise<void> {
    return this.#appenders.check(durability);
  }

  async trim(partition: Partition, { retention, groups }: TrimRequest): Promise<Trimmed> {
    const { maxAgeMs = "", maxEntries = "", maxBytes = "" } = retention;
    const reply = await this.#run<TrimReply>("trim", [partition.log], [maxAgeMs, maxEntries, maxBytes, ...groups]);
    const [removed, more, group, entry, ageMs, pendingEntries, lag, missing] = reply;
    const held = group && {
      group: String(group),
      entry: String(entry),
      ageMs: Number(ageMs),
      pendingEntries: Number(pendingEntries),
      lagEntries: lag === null ? undefined : Number(lag),
      missing: missing === 1,
    };
    return { removed, more: more === 1, held: held || undefined };
  }

  async forgetProducers(partition: Partition, silentMs: number): Promise<number> {
    let forgotten = 0;
    let cursor = "0";
    do {
      const args = [silentMs, cursor, outboxPrefix];
      const [next, count] = await this.#run<[Buffer, number]>("forget", [keys.producers(partition)], args);
      cursor = String(next);
      forgotten += count;
    } while (cursor !== "0");
    return forgotten;
  }

  async tellVanished(partition: Partition, events: number, by?: VanishedOf): Promise<number> {
    const key = by ? keys.ledger(partition, by.pipeline) : keys.meta(partition);
    const counter = by ? `vanished:${by.kind}` : "vanished";
    return Number(await answerOf(this.#redis.send(key, ["HINCRBY", key, counter, String(events)])));
  }

  async count(partition: Partition, from: string, to: string): Promise<number> {
    return Number(await this.#run("count", [partition.log], [from, to]));
  }

  newest(
    partition: Partition,
    page: { readonly before: string | undefined; readonly count: number },
  ): Promise<readonly LogEntry[]> {
    return answerOf(readNewest(this.#redis, partition, page));
  }

  outbox(
    partition: Partition,
    pipeline: string,
    page: { readonly after?: string; readonly count: number },
  ): Promise<readonly OutboxRecord[]> {
    return this.#named({ partition, pipeline }, readOutbox(this.#redis, { partition, pipeline }, page));
  }

  relay(frame: RelayedFrame): Promise<Relayed> {
    return relayFrame(this.#appenders, frame);
  }

  rememberStrays(to: Partition, producer: string, ids: readonly string[]): Promise<void> {
    return answerOf(rememberStrays(this.#redis, { to, producer }, ids));
  }

  strays(to: Partition, producer: string): Promise<ReadonlySet<string>> {
    return answerOf(readStrays(this.#redis, { to, producer }));
  }

  async relayed(fence: Fence, ids: readonly string[], commits: number): Promise<boolean> {
    const outbox = keys.outbox(fence.partition, fence.pipeline);
    return (await this.#run("relayed", [leaseOf(fence), outbox], [fence.owner, tokenOf(fence), commits, ...ids])) === 1;
  }

  wait(watches: readonly Watch[], timeoutMs: number, signal: AbortSignal): Promise<void> {
    return this.#watchers.wait(watches, timeoutMs, signal);
  }

  state(partition: Partition, pipeline: string): Promise<GroupState> {
    return this.#named({ partition, pipeline }, groupState(this.#redis, partition, pipeline));
  }

  async time({ log }: Partition): Promise<number> {
    return timeOf(await answerOf(this.#redis.send<TimeReply>(log, ["TIME"])));
  }

  deadLetters(partition: Partition): AsyncIterable<DeadLetter> {
    return readDeadLetters(this.#redis, partition);
  }

  async replayDeadLetter(partition: Partition, { id, pipeline }: LetterKey): Promise<LetterMoved> {
    const reply = await this.#run(
      "replay-letter",
      [keys.deadLetters(partition), replayOf(partition, pipeline).log, keys.ledger(partition, pipeline)],
      [id, partition.log],
    );
    if (typeof reply === "number") return { kind: "moved", events: reply };
    return { kind: String(reply) === "gone" ? "gone" : "empty" };
  }

  async discardDeadLetter(partition: Partition, { id, pipeline }: LetterKey): Promise<"discarded" | "gone"> {
    const reply = await this.#run("discard-letter", [keys.deadLetters(partition), keys.ledger(partition, pipeline)], [id]);
    return reply === 1 ? "discarded" : "gone";
  }

  async reread(partition: Partition, pipeline: string, { from, until, count, dryRun }: RereadRequest): Promise<Reread> {
    const [entries, events, last] = await this.#run<[number, number, Buffer]>(
      "reread",
      [partition.log, replayOf(partition, pipeline).log, keys.ledger(partition, pipeline)],
      [from.inclusive ? from.id : `(${from.id}`, until, count, dryRun ? 1 : 0],
    );
    return { entries, events, last: last.length === 0 ? undefined : String(last) };
  }

  async replayBacklog(partition: Partition, pipeline: string): Promise<number> {
    const { log } = replayOf(partition, pipeline);
    return Number(await answerOf(this.#redis.send(log, ["XLEN", log])));
  }

  async close(): Promise<void> {
    await this.#watchers.close();
    await this.#appenders.close();
    await this.#redis.close();
  }

  /** The answer of a call; where it fails over a key that is of another type, that key is named. */
  #named<Answer>(of: Pick<Fence, "partition" | "pipeline">, call: Promise<Answer>): Promise<Answer> {
    return naming(this.#redis, of, answerOf(call));
  }

  #run<Answer = Reply>(name: ScriptName, scriptKeys: ScriptCall["keys"], args: ScriptCall["args"]): Promise<Answer> {
    return answerOf(runScript<Answer>(this.#redis, name, { keys: scriptKeys, args }));
  }
}

type TrimReply = [removed: number, more: number, ...held: (Buffer | number | null)[]];

const leaseOf = (fence: Fence): string => keys.lease(fence.partition, fence.pipeline);
