import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse } from "../../../src/dsl/sinks.ts";
import { defineStream } from "../../../src/dsl/stream.ts";
import { Fleet, type Member } from "../../support/fleet.ts";
import { thingHappened, thingRow, things, thingTable } from "../../support/things.ts";
import { envelopeOf } from "../../support/workbench.ts";

const leaseTtlMs = 10_000;
const takeoverMs = leaseTtlMs + 2_000;
const stream = things(8);
const copy = pipeline("copy")
  .from(stream)
  .to(clickhouse(thingTable("rows")), thingRow);
const other = pipeline("other")
  .from(defineStream("others", { events: [thingHappened], partitions: 3 }))
  .to(clickhouse(thingTable("other_rows")), thingRow);
const events = (count: number, from = 0) =>
  Array.from({ length: count }, (_, n) => envelopeOf(from + n, "thing.happened", { key: `k${n % 50}`, n }));

describe("several workers", () => {
  let fleet: Fleet;
  beforeEach(() => {
    fleet = new Fleet();
  });

  const until = (expected: Readonly<Record<string, number>>, withinMs: number, of = copy) =>
    fleet.bench.clock.until(async () => same(await fleet.held(of), expected), withinMs);

  /** Time passes, and no lease moves. */
  async function rests(forMs = 300_000) {
    const before = [await fleet.leases(copy), await fleet.leases(other)];
    await fleet.bench.clock.advance(forMs);
    expect([await fleet.leases(copy), await fleet.leases(other)]).toEqual(before);
  }

  it("let one that is alone have everything", async () => {
    fleet.join("w1", [copy, other]);
    await until({ w1: 8 }, 100);
    await until({ w1: 3 }, 100, other);
    await rests();
  });

  it("give a newcomer its share within a second, move no lease that need not move, and come to rest", async () => {
    fleet.join("w1", [copy]);
    await until({ w1: 8 }, 100);
    fleet.join("w2", [copy]);
    await until({ w1: 4, w2: 4 }, 1_000);
    expect((await fleet.leases(copy)).map(({ epoch }) => epoch).sort()).toEqual([1, 1, 1, 1, 2, 2, 2, 2]);
    fleet.join("w3", [copy]);
    await until({ w1: 3, w2: 3, w3: 2 }, 1_000);
    expect((await fleet.leases(copy)).reduce((sum, { epoch }) => sum + epoch, 0)).toBe(8 + 4 + 2);
    await rests();
  });

  it("share from the start when they start together", async () => {
    for (const name of ["w1", "w2", "w3"]) fleet.join(name, [copy]);
    await until({ w1: 3, w2: 3, w3: 2 }, 1_000);
    await rests();
  });

  it("leave workers without a partition standing by, until another one leaves", async () => {
    const names = ["w1", "w2", "w3", "w4"];
    const members = names.map((name) => fleet.join(name, [other]));
    await until({ w1: 1, w2: 1, w3: 1 }, 1_000, other);
    await rests(60_000);
    await members[1]?.stop();
    await until({ w1: 1, w3: 1, w4: 1 }, 1_000, other);
    await rests(60_000);
  });

  it("take up at once what one gives back that ends in order", async () => {
    const members = ["w1", "w2", "w3"].map((name) => fleet.join(name, [copy]));
    await until({ w1: 3, w2: 3, w3: 2 }, 1_000);
    const before = fleet.bench.clock.monotonic();
    await members[0]?.stop();
    await until({ w2: 4, w3: 4 }, 1_000);
    expect(fleet.bench.clock.monotonic() - before).toBeLessThan(1_000);
    await rests();
  });

  it("take over what a killed one held, two seconds after its leases have run out at the latest", async () => {
    for (const killedAfterMs of [0, 700, 1_900, 2_999, 3_300, 6_650]) {
      fleet = new Fleet();
      const [, second] = ["w1", "w2", "w3"].map((name) => fleet.join(name, [copy])) as [Member, Member, Member];
      await until({ w1: 3, w2: 3, w3: 2 }, 1_000);
      await fleet.bench.clock.advance(killedAfterMs);
      second.kill();
      await until({ w1: 4, w3: 4 }, takeoverMs);
      await rests(60_000);
    }
  });

  it("settle what they have read before they give a partition back: no event is read by two", async () => {
    await fleet.bench.send(stream.plan, events(200));
    fleet.bench.prepare(clickhouse(thingTable("rows")).plan).failNext(Number.POSITIVE_INFINITY);
    fleet.join("w1", [copy]);
    await until({ w1: 8 }, 100);
    await fleet.bench.clock.until(async () => (await fleet.bench.audit(copy)).inFlight === 200);
    fleet.join("w2", [copy]);
    await fleet.bench.clock.advance(3_000);
    expect(await fleet.held(copy)).toEqual({ w1: 8 });
    fleet.bench.sink("rows").failNext(0);
    await until({ w1: 4, w2: 4 }, 10_000);
    await fleet.bench.send(stream.plan, events(100, 200));
    expect(await fleet.bench.drained(copy)).toMatchObject({ read: 300, delivered: 300, balanced: true });
    expect(fleet.bench.sink("rows").rows).toHaveLength(300);
  });

  it("count for a pipeline only those who run it", async () => {
    fleet.join("both", [copy, other]);
    fleet.join("copies", [copy]);
    fleet.join("others", [other]);
    await until({ both: 4, copies: 4 }, 1_000);
    await until({ both: 1, others: 2 }, 1_000, other);
    await rests();
  });

  it("take over beyond their share what a worker that says it is well does not take, and share anew when the next one joins", async () => {
    fleet.join("w1", [copy]);
    await until({ w1: 8 }, 100);
    fleet.join("sick", [copy]).isSick = true;
    await until({ w1: 4, nobody: 4 }, 1_000);
    await until({ w1: 8 }, takeoverMs);
    await rests();
    fleet.join("w3", [copy]);
    await until({ w1: 3, w3: 2, nobody: 3 }, 1_000);
    await fleet.bench.clock.until(async () => !("nobody" in (await fleet.held(copy))), takeoverMs);
    await rests();
  });

  it("share the partitions of a worker that dies when the registry has just forgotten it", async () => {
    const first = fleet.join("w1", [copy]);
    first.registry = "away";
    fleet.join("w2", [copy]);
    await fleet.bench.clock.advance(4_701);
    fleet.join("w3", [copy]);
    await fleet.bench.clock.advance(5_299);
    expect(await fleet.held(copy)).toEqual({ w1: 8 });
    first.kill();
    await until({ w2: 4, w3: 4 }, takeoverMs);
    await rests();
  });

  describe("that cannot reach the registry", () => {
    it("keep what they hold, and take what is free", async () => {
      const [first, second] = ["w1", "w2"].map((name) => fleet.join(name, [copy])) as [Member, Member];
      await until({ w1: 4, w2: 4 }, 1_000);
      for (const member of [first, second]) member.registry = "away";
      await rests(60_000);
      second.kill();
      await until({ w1: 8 }, takeoverMs);
    });

    it("do not wait for it when they start", async () => {
      fleet.join("w1", [copy]).registry = "away";
      await until({ w1: 8 }, 2_000);
    });

    it("share again when it is back", async () => {
      const first = fleet.join("w1", [copy]);
      first.registry = "away";
      await until({ w1: 8 }, 2_000);
      const second = fleet.join("w2", [copy]);
      second.registry = "away";
      await fleet.bench.clock.advance(30_000);
      expect(await fleet.held(copy)).toEqual({ w1: 8 });
      for (const member of [first, second]) member.registry = "sound";
      await until({ w1: 4, w2: 4 }, 5_000);
      await rests();
    });

    it("go on sharing when it comes back empty", async () => {
      for (const name of ["w1", "w2"]) fleet.join(name, [copy]);
      await until({ w1: 4, w2: 4 }, 1_000);
      for (const name of ["w1", "w2"]) await fleet.registry.withdraw(name);
      await fleet.bench.clock.advance(10_000);
      expect(await fleet.held(copy)).toEqual({ w1: 4, w2: 4 });
    });
  });

  it("share the partitions of a worker that the registry did not show, when it dies after the grace is over", async () => {
    const unseen = fleet.join("w1", [copy]);
    unseen.registry = "away";
    fleet.join("w2", [copy]);
    await fleet.bench.clock.advance(300);
    fleet.join("w3", [copy]);
    await fleet.bench.clock.advance(13_000);
    expect(await fleet.held(copy)).toEqual({ w1: 8 });
    unseen.kill();
    await until({ w2: 4, w3: 4 }, takeoverMs);
    await rests(60_000);
  });

  it("come to rest in fair shares, whoever joined, left or died before, and leave no partition without an owner for long", async () => {
    const life = fc.record({
      what: fc.constantFrom("join", "join", "join", "stop", "kill", "away", "sound"),
      who: fc.nat(),
      thenMs: fc.integer({ min: 0, max: 15_000 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(life, { maxLength: 14 }), async (lives) => {
        fleet = new Fleet();
        let joined = 0;
        const join = () => fleet.join(`w${++joined}`, [copy, other]);
        const alive = [join()];
        /** When each partition was last somebody's; killing begins the time anew, since the heir may be the one who is killed. */
        const ownedAt = new Map<number, number>();
        let killedAt = 0;
        const pass = async (ms: number) => {
          for (let left = ms; left > 0; left -= 250) {
            await fleet.bench.clock.advance(Math.min(250, left));
            const now = fleet.bench.clock.monotonic();
            for (const [index, { owner }] of (await fleet.leases(copy)).entries()) {
              if (alive.some(({ name }) => name === owner)) ownedAt.set(index, now);
              expect(now - Math.max(killedAt, ownedAt.get(index) ?? 0)).toBeLessThanOrEqual(takeoverMs);
            }
          }
        };
        for (const { what, who, thenMs } of lives) {
          const one = alive[who % alive.length] as Member;
          if (what === "join" && alive.length < 5) alive.push(join());
          if ((what === "stop" || what === "kill") && alive.length > 1) {
            alive.splice(alive.indexOf(one), 1);
            one.registry = "sound";
            if (what === "kill") {
              one.kill();
              killedAt = fleet.bench.clock.monotonic();
            } else await one.stop();
          }
          if (what === "away" || what === "sound") one.registry = what;
          await pass(thenMs);
        }
        for (const one of alive) one.registry = "sound";
        await pass(takeoverMs + 5_000);
        const held = [await fleet.held(copy), await fleet.held(other)];
        for (const [of, partitions] of [
          [held[0], 8],
          [held[1], 3],
        ] as const) {
          const counts = alive.map(({ name }) => of?.[name] ?? 0);
          expect(counts.reduce((sum, count) => sum + count, 0)).toBe(partitions);
          expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
        }
        const totals = alive.map(({ name }) => (held[0]?.[name] ?? 0) + (held[1]?.[name] ?? 0));
        expect(Math.max(...totals)).toBeLessThanOrEqual(Math.ceil(11 / alive.length));
        await rests(60_000);
      }),
      { numRuns: 20 },
    );
  }, 120_000);
});

const same = (one: Readonly<Record<string, number>>, another: Readonly<Record<string, number>>): boolean =>
  JSON.stringify(Object.entries(one).sort()) === JSON.stringify(Object.entries(another).sort());
