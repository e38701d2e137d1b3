import { describe, expect, it } from "vitest";
import { MemoryBus } from "../../../src/bus/memory/bus.ts";
import { type Partition, partitionsOf } from "../../../src/bus/partition.ts";
import type { Bus } from "../../../src/bus/port.ts";
import { Producer } from "../../../src/bus/producer.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { ConfigError, RetryableError } from "../../../src/core/errors.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { framesOf } from "../../support/frames-of.ts";
import { interpose } from "../../support/interpose.ts";
import { things } from "../../support/things.ts";
import { envelopeOf } from "../../support/workbench.ts";

const stream = things(1).plan;
const partition = partitionsOf(stream)[0] as Partition;
const thing = (n: number) => envelopeOf(n, "thing.happened", { key: "k", n });
const idsIn = async (bus: Bus) => (await framesOf(bus, partition)).flat().map(({ id }) => id);
const ids = (...numbers: readonly number[]) => numbers.map((n) => thing(n).id);

/** A bus that can be emptied, as FLUSHALL does, or put back to an earlier copy. */
function replaceable() {
  let bus = new MemoryBus(systemClock);
  const front = new Proxy({} as Bus, {
    get: (_, property: keyof Bus) => (bus[property] as (...args: unknown[]) => unknown).bind(bus),
  });
  return {
    front,
    replace: (other: MemoryBus) => {
      bus = other;
    },
  };
}

function start(bus: Bus, options: { readonly clock?: VirtualClock; readonly giveUpAfterMs?: number } = {}) {
  const told: [level: string, fields: object, message: string][] = [];
  const tell = (level: string) => (fields: object, message: string) => void told.push([level, fields, message]);
  const logger = { debug: tell("debug"), info: tell("info"), warn: tell("warn"), error: tell("error") };
  const { clock = new VirtualClock(), giveUpAfterMs } = options;
  const limits = giveUpAfterMs === undefined ? {} : { giveUpAfterMs };
  const producer = new Producer({ stream, producer: "p", lingerMs: 0, ...limits }, { bus, clock, logger });
  const store = async (n: number) => {
    const { stored } = await producer.send(thing(n));
    void producer.flush().catch(() => {});
    return stored;
  };
  return { producer, store, told, clock };
}

describe("a producer whose Redis has forgotten frames", () => {
  it("says how many events are gone, and stores what it still holds, and what follows, once", async () => {
    const { front, replace } = replaceable();
    const { store, told } = start(front);
    await store(0);
    await store(1);
    const emptied = new MemoryBus(systemClock);
    replace(emptied);
    await Promise.all([store(2), store(3)]);
    await store(4);
    expect(await idsIn(emptied)).toEqual(ids(2, 3, 4));
    expect((await emptied.state(partition, "pipe")).vanished).toBe(2);
    expect(told).toEqual([
      [
        "error",
        expect.objectContaining({ partition: "things/00", lost: { frames: 2, events: 2 } }),
        expect.stringContaining("events that were acknowledged are gone"),
      ],
    ]);
  });

  it("says so too where an older copy was restored", async () => {
    const { front, replace } = replaceable();
    const [copy, original] = [new MemoryBus(systemClock), new MemoryBus(systemClock)];
    const { store, told } = start(
      interpose(front, async (call) => call()),
      {},
    );
    replace(original);
    const append = original.append.bind(original);
    let frames = 0;
    original.append = async (...args) => {
      if (frames++ < 1) await copy.append(...args);
      return append(...args);
    };
    for (const n of [0, 1, 2]) await store(n);
    replace(copy);
    await store(3);
    expect(await idsIn(copy)).toEqual(ids(0, 3));
    expect(told.map(([, fields]) => fields)).toEqual([expect.objectContaining({ lost: { frames: 2, events: 2 } })]);
    expect((await copy.state(partition, "pipe")).vanished).toBe(2);
  });

  it("says so again where Redis goes back to before it was said", async () => {
    const bus = new MemoryBus(systemClock);
    const { store } = start(bus);
    await store(0);
    const before = bus.snapshot();
    await store(1);
    before();
    const unsaid = bus.snapshot();
    await store(2);
    expect((await bus.state(partition, "pipe")).vanished).toBe(1);
    unsaid();
    await store(3);
    expect(await idsIn(bus)).toEqual(ids(0, 3));
    expect((await bus.state(partition, "pipe")).vanished).toBe(2);
  });

  describe("while it gave one up", () => {
    const outage = async (isStored: boolean, goesBack: boolean) => {
      const bus = new MemoryBus(systemClock);
      let isAway = false;
      const { store, told, clock } = start(
        interpose(bus, async (call) => {
          if (!isAway) return call();
          if (isStored) await call();
          throw new RetryableError("service.unreachable", "away");
        }),
        { giveUpAfterMs: 1_000 },
      );
      await store(0);
      const before = bus.snapshot();
      await store(1);
      isAway = true;
      const givenUp = store(2).catch((error: Error) => error.message);
      await clock.advance(60_000);
      expect(await givenUp).toBe("away");
      isAway = false;
      if (goesBack) before();
      const next = store(3);
      await clock.advance(60_000);
      await next;
      await store(4);
      const errors = told.filter(([level, , text]) => level === "error" && text.startsWith("events that were acknowledged"));
      return { ids: await idsIn(bus), vanished: (await bus.state(partition, "pipe")).vanished, errors: errors.length };
    };

    it("says what is gone of the ones before", async () => {
      expect(await outage(false, true)).toEqual({ ids: ids(0, 3, 4), vanished: 1, errors: 1 });
      expect(await outage(true, true)).toEqual({ ids: ids(0, 3, 4), vanished: 1, errors: 1 });
    });

    it("says nothing where nothing is gone, whether that one was stored or not", async () => {
      expect(await outage(false, false)).toEqual({ ids: ids(0, 1, 3, 4), vanished: 0, errors: 0 });
      expect(await outage(true, false)).toEqual({ ids: ids(0, 1, 2, 3, 4), vanished: 0, errors: 0 });
    });
  });

  it("stores a frame once, whose answer was lost right before", async () => {
    const { front, replace } = replaceable();
    let loses = false;
    const { store, clock } = start(
      interpose(front, async (call) => {
        const answer = await call();
        if (loses) throw new RetryableError("service.unreachable", "lost");
        return answer;
      }),
    );
    await store(0);
    loses = true;
    const held = store(1);
    await clock.advance(1_000);
    const emptied = new MemoryBus(systemClock);
    replace(emptied);
    loses = false;
    await clock.settle(held);
    await store(2);
    expect(await idsIn(emptied)).toEqual(ids(1, 2));
  });
});

describe("a producer with a fixed name", () => {
  it("goes on under a larger incarnation when it is started again", async () => {
    const bus = new MemoryBus(systemClock);
    const clock = new VirtualClock();
    await start(bus, { clock }).store(0);
    await clock.advance(1);
    await start(bus, { clock }).store(1);
    expect(await idsIn(bus)).toEqual(ids(0, 1));
  });

  it("stores its events also where the clock was put back, or did not move, since its last start", async () => {
    const bus = new MemoryBus(systemClock);
    const clock = new VirtualClock();
    await start(bus, { clock }).store(0);
    await start(bus, { clock }).store(1);
    clock.setWall(-3_600_000);
    const third = start(bus, { clock });
    await third.store(2);
    await third.store(3);
    expect(await idsIn(bus)).toEqual(ids(0, 1, 2, 3));
    expect(third.told).toEqual([]);
  });

  it("stops the older of two that run at once, and says why to every caller", async () => {
    const bus = new MemoryBus(systemClock);
    const clock = new VirtualClock();
    const older = start(bus, { clock });
    await older.store(0);
    await clock.advance(1);
    const newer = start(bus, { clock });
    await newer.store(1);
    const superseded = { code: "producer.superseded", hint: expect.stringContaining("own name") };
    await expect(older.store(2)).rejects.toMatchObject(superseded);
    await expect(older.store(3)).rejects.toBeInstanceOf(ConfigError);
    await expect(older.producer.flush()).rejects.toMatchObject(superseded);
    await newer.store(4);
    expect(await idsIn(bus)).toEqual(ids(0, 1, 4));
  });

  it("tells an answer that was lost from a frame of somebody else", async () => {
    const bus = new MemoryBus(systemClock);
    const clock = new VirtualClock();
    let answers = 0;
    const lossy = interpose(bus, async (call) => {
      const answer = await call();
      if (answers++ === 0) throw new RetryableError("service.unreachable", "lost");
      return answer;
    });
    await clock.settle(start(lossy, { clock }).store(0));
    // In the same millisecond, under the same name: its first frame is known already, and is not its own.
    await start(bus, { clock }).store(1);
    expect(await idsIn(bus)).toEqual(ids(0, 1));
  });
});
