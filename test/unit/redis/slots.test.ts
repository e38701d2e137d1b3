import { describe, expect, it } from "vitest";
import { keys, type Partition, partitionsOf, replayOf } from "../../../src/bus/partition.ts";
import { membersIn, ownersIn, redirectIn, type SlotsReply, slotOf } from "../../../src/redis/slots.ts";

describe("the slot of a key", () => {
  it("is the one that the servers compute", () => {
    // From the documentation of Redis Cluster and of CLUSTER KEYSLOT.
    expect(slotOf("123456789")).toBe(0x31c3);
    expect(slotOf("somekey")).toBe(11_058);
    expect(slotOf("foo{hash_tag}")).toBe(2_515);
  });

  it("is that of what stands in the first braces, where there is something", () => {
    expect(slotOf("{user1000}.following")).toBe(slotOf("user1000"));
    expect(slotOf("foo{{bar}}zap")).toBe(slotOf("{bar"));
    expect(slotOf("foo{bar}{zap}")).toBe(slotOf("bar"));
    expect(slotOf("foo{}{bar}")).not.toBe(slotOf("bar"));
    expect(slotOf("}foo{bar")).not.toBe(slotOf("bar"));
  });

  it("is one and the same for all keys of a partition, so that one script can touch them", () => {
    const layouts = [
      { kind: "partitioned", partitions: 3 },
      { kind: "adopted", redisKey: "app:logins" },
      { kind: "adopted", redisKey: "app:{eu}:logins" },
    ] as const;
    for (const layout of layouts) {
      for (const partition of partitionsOf({ kind: "stream", name: "logins", events: [], layout })) {
        const replay = replayOf(partition, "pipe");
        type Name = (partition: Partition, pipeline: string, of: unknown) => string;
        const { timers, seen, ...others } = keys;
        const named = Object.values(others) as readonly Name[];
        const all = [partition, replay].flatMap((one) => [one.log, ...named.map((name) => name(one, "pipe", undefined))]);
        all.push(timers(partition, "pipe", { stage: "{a} stage", clock: "event" }), seen(partition, "pipe", "{a} stage\n7"));
        expect(new Set(all.map(slotOf))).toEqual(new Set([slotOf(partition.log)]));
      }
    }
  });
});

describe("the owners of slots", () => {
  it("are read from CLUSTER SLOTS, where a server may leave out the name that we know it by", () => {
    const reply: SlotsReply = [
      [0, 1, [Buffer.from("10.0.0.1"), 7000, Buffer.from("id"), []], [Buffer.from("10.0.0.9"), 7009]],
      [3, 3, [null, 7001]],
      [4, 4, [Buffer.from(""), 7002]],
    ];
    const owners = ownersIn(reply, "redis.example:6379");
    expect(owners.slice(0, 6)).toEqual([
      "10.0.0.1:7000",
      "10.0.0.1:7000",
      undefined,
      "redis.example:7001",
      "redis.example:7002",
      undefined,
    ]);
    expect(owners).toHaveLength(16_384);
    expect(membersIn(reply, "redis.example:6379")).toEqual([
      "10.0.0.1:7000",
      "10.0.0.9:7009",
      "redis.example:7001",
      "redis.example:7002",
    ]);
  });

  it("are told by redirections", () => {
    const told = (message: string) => redirectIn(new Error(message), "10.0.0.1:7000");
    expect(told("MOVED 3999 10.0.0.2:6381")).toEqual({ kind: "moved", address: "10.0.0.2:6381" });
    expect(told("ASK 3999 2001:db8::2:6381")).toEqual({ kind: "ask", address: "2001:db8::2:6381" });
    expect(told("MOVED 3999 :6381")).toEqual({ kind: "moved", address: "10.0.0.1:6381" });
    for (const other of ["TRYAGAIN Multiple keys request during rehashing of slot", "CLUSTERDOWN The cluster is down"]) {
      expect(told(other)).toBeUndefined();
    }
  });
});
