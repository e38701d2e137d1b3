import { beforeEach, describe, expect, it } from "vitest";
import { ConfigError, RetryableError } from "../../../src/core/errors.ts";
import { type OutboxBench, openOutboxBench, source, targets } from "../../support/outbox-bench.ts";

const [one, two, three] = targets;
const away = new RetryableError("service.unreachable", "away");

describe("the relay of an outbox", () => {
  let bench: OutboxBench;
  beforeEach(async () => {
    bench = await openOutboxBench();
  });

  it("takes off the outbox what is stored, and nothing else: a frame that could not be stored waits", async () => {
    await bench.derive(one, [1], [2]);
    await bench.derive(two, [3], [4]);
    bench.closed.set(one.log, away);
    const { relay } = bench.start();
    relay.wake();
    await bench.clock.until(async () => bench.numbersIn(two).length === 2);
    await bench.clock.advance(1_000);
    expect(bench.numbersIn(one)).toEqual([]);
    expect(await bench.waiting()).toEqual([one.name, one.name]);
    bench.closed.clear();
    await bench.clock.until(async () => (await bench.waiting()).length === 0);
    expect([bench.numbersIn(one), bench.numbersIn(two)]).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  it.each([
    ["is away", away],
    ["refuses for good", new ConfigError("config.environment", "no rights")],
  ])("holds up no other log where one %s, however much waits for that one", async (_, error) => {
    for (let n = 0; n < 200; n++) await bench.derive(one, [n]);
    await bench.derive(two, [1_000]);
    bench.closed.set(one.log, error);
    const { relay } = bench.start();
    relay.wake();
    await bench.clock.until(() => bench.numbersIn(two).length === 1);
    for (let n = 0; n < 70; n++) await bench.derive(one, [200 + n]);
    await bench.derive(three, [1_001]);
    await bench.derive(two, [1_002]);
    relay.wake();
    await bench.clock.until(() => bench.numbersIn(two).length === 2 && bench.numbersIn(three).length === 1);
    expect(bench.said.filter((line) => line.includes(one.name))).toHaveLength(1);
    bench.closed.clear();
    await bench.clock.until(async () => (await bench.waiting()).length === 0);
    expect(bench.numbersIn(one)).toEqual(Array.from({ length: 270 }, (_, n) => n));
  });

  it("leaves a record that cannot be read, logs it once, and holds up only what comes next for its log", async () => {
    for (let n = 0; n < 70; n++) await bench.derive(one, [n]);
    await bench.derive(two, [1_000], [1_001]);
    await bench.derive(three, [2_000], [2_001]);
    bench.garbled = new Set([await bench.recordOf(one, 30), await bench.recordOf(two, 1)]);
    const { relay } = bench.start();
    relay.wake();
    await bench.clock.until(() => bench.numbersIn(three).length === 2);
    await bench.derive(three, [2_002]);
    await bench.derive(two, [1_002]);
    relay.wake();
    await bench.clock.until(() => bench.numbersIn(three).length === 3);
    await bench.clock.advance(60_000);
    expect(bench.numbersIn(one)).toEqual(Array.from({ length: 30 }, (_, n) => n));
    expect(bench.numbersIn(two)).toEqual([1_000]);
    expect(bench.said.filter((line) => line.startsWith("derived events cannot be read in the outbox"))).toHaveLength(2);
    expect((await bench.bus.state(one, "any")).vanished).toBe(0);
    // Whoever can read them brings them on, in their order.
    bench.garbled.clear();
    await bench.clock.until(async () => (await bench.waiting()).length === 0);
    expect(bench.numbersIn(one)).toEqual(Array.from({ length: 70 }, (_, n) => n));
    expect(bench.numbersIn(two)).toEqual([1_000, 1_001, 1_002]);
    expect((await bench.bus.state(source, "pipe")).vanished).toBe(0);
  });

  it("stores what can be read again before what was behind it, also where that comes in between", async () => {
    await bench.derive(one, [1], [2], [3]);
    await bench.derive(two, [5]);
    bench.garbled.add(await bench.recordOf(one, 1));
    bench.onUnlinked = () => bench.garbled.clear();
    const { relay } = bench.start();
    relay.wake();
    await bench.clock.until(async () => (await bench.waiting()).length === 0);
    expect([bench.numbersIn(one), bench.numbersIn(two)]).toEqual([[1, 2, 3], [5]]);
    expect((await bench.bus.state(source, "pipe")).vanished).toBe(0);
  });

  it("goes on behind a record that nobody could read and that was removed, and counts its events as vanished", async () => {
    await bench.derive(one, [1], [2, 3], [4]);
    await bench.derive(two, [5]);
    const lost = await bench.recordOf(one, 1);
    bench.garbled.add(lost);
    const { relay } = bench.start();
    relay.wake();
    await bench.clock.until(async () => (await bench.waiting()).length === 2);
    await bench.clock.advance(1_000);
    expect(bench.numbersIn(one)).toEqual([1]);
    await bench.bus.relayed(bench.fence, [lost], bench.number);
    await bench.clock.until(async () => (await bench.waiting()).length === 0);
    expect([bench.numbersIn(one), bench.numbersIn(two)]).toEqual([[1, 4], [5]]);
    expect((await bench.bus.state(source, "pipe")).vanished).toBe(2);
  });

  it("ends with what is left where it is told to stop, and stores nothing more once the lease is gone", async () => {
    await bench.derive(one, [1]);
    bench.closed.set(one.log, away);
    const { relay, stop } = bench.start();
    relay.wake();
    await bench.clock.advance(1_000);
    stop.abort();
    await bench.clock.settle(relay.done);
    expect(await bench.waiting()).toEqual([one.name]);
    bench.closed.clear();
    const { relay: later, gone } = bench.start();
    gone.abort();
    later.wake();
    await bench.clock.settle(later.done);
    expect(bench.numbersIn(one)).toEqual([]);
  });
});
