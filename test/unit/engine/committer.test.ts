import { describe, expect, it } from "vitest";
import { isBefore } from "../../../src/bus/entry-id.ts";
import { type Partition, partitionsOf, replayOf } from "../../../src/bus/partition.ts";
import type { Bus, Commit, Fence } from "../../../src/bus/port.ts";
import { RetryableError } from "../../../src/core/errors.ts";
import { pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse } from "../../../src/dsl/sinks.ts";
import { audit } from "../../../src/engine/audit.ts";
import { interpose } from "../../support/interpose.ts";
import { adoptedThings, thingRow, things, thingTable } from "../../support/things.ts";
import { envelopeOf, Workbench } from "../../support/workbench.ts";

const table = thingTable("rows");
const stream = things();
const [partition] = partitionsOf(stream.plan) as [Partition];
const thing = (n: number, key = `k${n % 3}`) => envelopeOf(n, "thing.happened", { key, n, orders: [] });

/** The bus, with a look at each commit and each fetch of states. */
function watched(bus: Bus) {
  const commits: Commit[] = [];
  const fetched: string[] = [];
  let underWay = 0;
  let most = 0;
  const through = new Proxy(bus, {
    get(target, property: keyof Bus) {
      if (property === "commit")
        return async (fence: Fence, commit: Commit) => {
          most = Math.max(most, ++underWay);
          commits.push(commit);
          await new Promise(setImmediate);
          return target.commit(fence, commit).finally(() => {
            underWay--;
          });
        };
      if (property === "states")
        return (fence: Fence, names: readonly string[]) => {
          fetched.push(...names);
          return target.states(fence, names);
        };
      return (target[property] as () => unknown).bind(target);
    },
  });
  return { bus: through, commits, fetched, most: () => most };
}

describe("commits", () => {
  it("are numbered without gaps, and one is under way at a time, also where reads settle out of their order", async () => {
    const bench = new Workbench();
    const copy = pipeline("copy").from(stream).to(clickhouse(table), thingRow);
    await bench.send(
      stream.plan,
      Array.from({ length: 400 }, (_, n) => thing(n)),
      1,
    );
    const { bus, commits, most } = watched(bench.bus);
    const worker = bench.start([copy], { bus });
    expect(await bench.drained(copy)).toMatchObject({ delivered: 400, balanced: true });
    await worker.stop();
    expect(commits.length).toBeGreaterThan(3);
    expect(commits.map(({ number }) => number)).toEqual(commits.map((_, i) => i + 1));
    expect(most()).toBe(1);
  });

  it("take along what has become ready meanwhile, with its counts, dead letters and names; a script takes only so much", async () => {
    const bench = new Workbench();
    const theirs = adoptedThings();
    const [log] = partitionsOf(theirs.plan) as [Partition];
    const copy = pipeline("copy").from(theirs).to(clickhouse(table), thingRow);
    const count = 9_000;
    const send = () => {
      for (let n = 0; n < count; n++) {
        const bad = { type: "thing.happened", id: `evt-${n}`, data: "not json" };
        const good = { ...bad, data: JSON.stringify({ key: `k${n % 7}`, n }) };
        bench.bus.appendPlain(log, n % 300 === 0 ? bad : good);
      }
    };
    const { bus, commits } = watched(bench.bus);
    let made = 0;
    const slow = interpose(bus, async (call, method) => {
      // Whatever is read meanwhile has its rows confirmed, and waits.
      if (method === "commit" && made++ === 2) await bench.clock.sleep(2_000);
      return call();
    });
    send();
    const first = bench.start([copy], { bus: slow });
    expect(await bench.drained(copy)).toMatchObject({ delivered: 8_970, deadLettered: { "not-json": 30 }, balanced: true });
    await first.stop();
    const sizes = commits.map(({ entries }) => entries.length);
    expect(Math.max(...sizes)).toBe(4_000);
    expect(commits.map(({ number }) => number)).toEqual(commits.map((_, i) => i + 1));
    expect(commits.at(-1)?.checkpoint).toBe(bench.bus.entriesOf(log).at(-1)?.id);
    expect(await bench.deadLetters(copy.plan)).toHaveLength(30);
    send();
    const second = bench.start([copy]);
    expect(await bench.drained(copy)).toMatchObject({ delivered: 8_970, duplicate: 8_970, balanced: true });
    await second.stop();
  });

  it("of what is replayed go by themselves: it lies in another log", async () => {
    const bench = new Workbench();
    const copy = pipeline("copy").from(stream).to(clickhouse(table), thingRow);
    const replay = replayOf(partition, "copy");
    const { bus, commits } = watched(bench.bus);
    let made = 0;
    const slow = interpose(bus, async (call, method) => {
      if (method === "commit" && made++ === 0) await bench.clock.sleep(2_000);
      return call();
    });
    const worker = bench.start([copy], { bus: slow });
    await bench.send(stream.plan, [thing(0)], 1);
    await bench.clock.until(() => made === 1);
    for (const n of [1, 2]) {
      await bench.send(stream.plan, [thing(n)], 1);
      bench.bus.appendPlain(replay, { data: JSON.stringify({ type: "thing.happened", data: { key: "k", n: n + 10 } }) });
      await bench.clock.advance(500);
    }
    expect(await bench.drained(copy)).toMatchObject({ read: 5, delivered: 5, inFlight: 0, balanced: true });
    await worker.stop();
    expect(bench.bus.entriesOf(replay)).toEqual([]);
    expect(commits.flatMap(({ entries }) => entries)).toHaveLength(5);
  });

  it("tell a checkpoint up to which every read is settled: a group that begins there again misses nothing", async () => {
    const bench = new Workbench();
    let isAway = true;
    const moody = pipeline("moody")
      .from(stream)
      .map("ask", (event) => {
        if (event.data.n === 0 && isAway) throw new RetryableError("service.unreachable", "not now");
        return event;
      })
      .to(clickhouse(table), thingRow);
    const { bus, commits } = watched(bench.bus);
    const worker = bench.start([moody], { bus });
    for (let n = 0; n < 9; n += 3) {
      await bench.store(
        partition,
        [n, n + 1, n + 2].map((one) => thing(one, `key ${one}`)),
      );
      await bench.clock.advance(1_500);
    }
    const first = bench.bus.entriesOf(partition)[0]?.id as string;
    expect(commits).toHaveLength(2);
    for (const { checkpoint } of commits) expect(checkpoint === undefined || isBefore(checkpoint, first)).toBe(true);
    bench.bus.removeGroup(partition, "moody");
    isAway = false;
    await bench.clock.until(async () => (await bench.audit(moody)).delivered >= 9 && (await bench.isDrained(moody)));
    await worker.stop();
    expect(bench.sink("rows").rows.map((row) => row["n"])).toEqual(expect.arrayContaining([0, 1, 2, 3, 4, 5, 6, 7, 8]));
  });

  it("let go of states: what the cache has no room for is fetched again", async () => {
    const bench = new Workbench();
    const counting = pipeline("counting")
      .from(stream)
      .fold("seen", { key: ({ data }) => data.key, initial: 0, decide: (_, event) => [event], evolve: (n) => n + 1 })
      .to(clickhouse(table), thingRow);
    const { bus, fetched } = watched(bench.bus);
    const worker = bench.start([counting], { bus, stateCacheBytes: 1 });
    for (let n = 0; n < 4; n++) {
      await bench.store(partition, [thing(n, "one")]);
      await bench.drained(counting);
    }
    await worker.stop();
    expect(fetched.filter((name) => name === "seen\none")).toHaveLength(4);
    expect(await bench.states(counting, partition, ["seen\none"])).toEqual([4]);
  });
});

describe("an audit where events have vanished", () => {
  const copy = pipeline("copy").from(stream).to(clickhouse(table), thingRow);
  const begun = async () => {
    const bench = new Workbench();
    await bench.store(partition, [thing(0), thing(1), thing(2)]);
    const acquired = await bench.bus.acquire(partition, "copy", { owner: "w", ttlMs: 1_000 });
    if (acquired.kind !== "owned") throw new Error("taken");
    const fence = { partition, pipeline: "copy", owner: "w", epoch: acquired.epoch, tenure: acquired.tenure };
    const read = await bench.bus.read(fence, { from: "new", after: "0-0", count: 1 });
    if (read.kind !== "entries") throw new Error(read.kind);
    const settle = (counts: Readonly<Record<string, number>>) =>
      bench.bus.commit(fence, {
        ...{ number: 1, reads: 1, entries: read.entries.map(({ id }) => id), counts, deadLetters: [] },
        ...{ keyed: undefined, derived: [], checkpoint: undefined },
      });
    return { bench, settle, books: () => audit(copy.plan, bench.bus) };
  };

  it.each([
    ["an event that has no outcome", { delivered: 2 }],
    ["an event that has two", { delivered: 3, duplicate: 1 }],
    ["one that was dropped twice", { delivered: 2, "dropped:a": 1, "dropped:b": 1 }],
    ["one that was set aside and delivered", { delivered: 3, "deadLettered:a": 1 }],
    ["one that was late too", { delivered: 3, late: 1 }],
  ])("are not balanced: %s", async (_, counts) => {
    const { settle, books } = await begun();
    expect((await books()).balanced).toBe(true);
    await settle(counts);
    expect(await books()).toMatchObject({ read: 3, inFlight: 0, balanced: false });
  });

  it("is not balanced, though the sums agree", async () => {
    const { bench, settle, books } = await begun();
    await settle({ delivered: 3 });
    expect(await books()).toMatchObject({ read: 3, delivered: 3, vanished: 0, balanced: true });
    await bench.bus.tellVanished(partition, 1);
    expect(await books()).toMatchObject({ read: 3, delivered: 3, vanished: 1, balanced: false });
  });
});
