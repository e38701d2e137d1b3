import { beforeEach, describe, expect, it } from "vitest";
import type { Envelope } from "../../../src/bus/envelope.ts";
import { EntryFields } from "../../../src/bus/fields.ts";
import { encodeFrame } from "../../../src/bus/frame.ts";
import { MemoryBus } from "../../../src/bus/memory.ts";
import { type Partition, partitionsOf } from "../../../src/bus/partition.ts";
import type { Bus, Fence, RelayedFrame } from "../../../src/bus/port.ts";
import { ConfigError, RetryableError } from "../../../src/core/errors.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { createRelay } from "../../../src/engine/commit/relay.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { decodeAll } from "../../support/decode-all.ts";
import { things } from "../../support/things.ts";
import { envelopeOf } from "../../support/workbench.ts";

const [source] = partitionsOf(things().plan) as [Partition];
const [one, two, three] = partitionsOf({ ...things(3).plan, name: "targets" }) as [Partition, Partition, Partition];

describe("the relay of an outbox", () => {
  let clock: VirtualClock;
  let bus: MemoryBus;
  let said: string[];
  let number: number;
  /** Records of the outbox that nobody can read. */
  let garbled: Set<string>;
  let onUnlinked: () => void;
  /** Called before a frame is sent. */
  let onRelay: () => void;
  /** Called before frames are taken off. */
  let onRelayed: () => void;
  /** Logs that take nothing, and why. */
  let closed: Map<string, Error>;
  let relayed: string[];
  let fence: Fence;
  beforeEach(async () => {
    clock = new VirtualClock();
    bus = new MemoryBus(clock);
    [said, number, closed, relayed, garbled] = [[], 0, new Map(), [], new Set()];
    onUnlinked = () => {};
    onRelay = () => {};
    onRelayed = () => {};
    fence = await own();
  });

  async function own(): Promise<Fence> {
    number = 0;
    const acquired = await bus.acquire(source, "pipe", { owner: "w", ttlMs: 60_000 });
    if (acquired.kind !== "owned") throw new Error("taken");
    return { partition: source, pipeline: "pipe", owner: "w", epoch: acquired.epoch, tenure: acquired.tenure };
  }

  /** One frame for each list of numbers. */
  async function derive(to: Partition, ...frames: readonly (readonly number[])[]) {
    for (const numbers of frames) {
      const frame = encodeFrame(numbers.map((n) => envelopeOf(n, "thing.happened", { key: "k", n })));
      const commit = { number: ++number, reads: 0, entries: [], counts: {}, deadLetters: [], keyed: undefined, floor: undefined };
      expect(await bus.commit(fence, { ...commit, derived: [{ to, frame }] })).toBe("committed");
    }
  }

  function start() {
    const stop = new AbortController();
    const gone = new AbortController();
    const through = new Proxy(bus as Bus, {
      get(target, property: keyof Bus) {
        if (property === "outbox")
          return async (...of: Parameters<Bus["outbox"]>) =>
            (await target.outbox(...of)).map((record) =>
              garbled.has(record.id) ? ({ id: record.id, to: undefined, fault: "garbled" } as const) : record,
            );
        if (property === "relayed")
          return (...of: Parameters<Bus["relayed"]>) => {
            onRelayed();
            return target.relayed(...of);
          };
        if (property !== "relay") return (target[property] as () => unknown).bind(target);
        return async (frame: RelayedFrame) => {
          const error = closed.get(frame.to.log);
          if (error) throw error;
          relayed.push(frame.to.name);
          onRelay();
          const answer = await target.relay(frame);
          if (answer.kind === "unlinked") onUnlinked();
          return answer;
        };
      },
    });
    const say = (fields: object, text: string) => void said.push(`${text} ${JSON.stringify(fields)}`);
    const relay = createRelay(
      fence,
      { bus: through, clock, logger: { ...silentLogger, warn: say, error: say } },
      { stop: stop.signal, gone: gone.signal, chain: { known: { commits: number, reads: 0 } } },
    );
    return { relay, stop, gone };
  }

  const numbersIn = (log: Partition) =>
    bus
      .entriesOf(log)
      .flatMap(({ fields }) => decodeAll(new EntryFields(fields)).map(({ data }) => (data as { readonly n: number }).n));
  const waiting = async () => (await bus.outbox(source, "pipe", { count: 1_000 })).map(({ to }) => to?.name);
  const recordOf = async (to: Partition, at: number) =>
    (await bus.outbox(source, "pipe", { count: 1_000 })).filter((record) => record.to === to)[at]?.id as string;
  const away = new RetryableError("service.unreachable", "away");

  it("takes off the outbox what is stored, and nothing else: a frame that could not be stored waits", async () => {
    await derive(one, [1], [2]);
    await derive(two, [3], [4]);
    closed.set(one.log, away);
    const { relay } = start();
    relay.ring();
    await clock.until(async () => numbersIn(two).length === 2);
    await clock.advance(1_000);
    expect(numbersIn(one)).toEqual([]);
    expect(await waiting()).toEqual([one.name, one.name]);
    closed.clear();
    await clock.until(async () => (await waiting()).length === 0);
    expect([numbersIn(one), numbersIn(two)]).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  it.each([
    ["is away", away],
    ["refuses for good", new ConfigError("config.environment", "no rights")],
  ])("holds up no other log where one %s, however much waits for that one", async (_, error) => {
    for (let n = 0; n < 200; n++) await derive(one, [n]);
    await derive(two, [1_000]);
    closed.set(one.log, error);
    const { relay } = start();
    relay.ring();
    await clock.until(() => numbersIn(two).length === 1);
    for (let n = 0; n < 70; n++) await derive(one, [200 + n]);
    await derive(three, [1_001]);
    await derive(two, [1_002]);
    relay.ring();
    await clock.until(() => numbersIn(two).length === 2 && numbersIn(three).length === 1);
    expect(said.filter((line) => line.includes(one.name))).toHaveLength(1);
    closed.clear();
    await clock.until(async () => (await waiting()).length === 0);
    expect(numbersIn(one)).toEqual(Array.from({ length: 270 }, (_, n) => n));
  });

  it("stores no event a second time that a forgotten commit has made, whatever frame it comes in", async () => {
    await derive(one, [1, 2]);
    const first = start();
    first.relay.ring();
    await clock.until(async () => (await waiting()).length === 0);
    const putBack = bus.snapshot(source.prefix);
    await derive(one, [3, 4], [5]);
    first.relay.ring();
    await clock.until(async () => (await waiting()).length === 0);
    first.gone.abort();
    putBack();
    fence = await own();
    await derive(one, [3], [4, 5, 6], [7]);
    const second = start();
    second.relay.ring();
    await clock.until(async () => (await waiting()).length === 0);
    expect(numbersIn(one)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(said.join()).toMatch(/derived events are there of commits that Redis has forgotten.*"events":3/);
    expect((await bus.state(one, "any")).vanished).toBe(0);
    // Its successor remembers them.
    second.gone.abort();
    fence = await own();
    await derive(one, [4, 5], [8]);
    const third = start();
    third.relay.ring();
    await clock.until(async () => (await waiting()).length === 0);
    expect(numbersIn(one)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  describe("stores each event once where it goes back twice in close succession", () => {
    /** The outbox has forgotten a commit of [3, 4] and of [5], which are in their log; its next owner has derived [3], [6] and [7]. */
    async function goneBack() {
      await derive(one, [1, 2]);
      const first = start();
      first.relay.ring();
      await clock.until(async () => (await waiting()).length === 0);
      const putBack = bus.snapshot(source.prefix);
      await derive(one, [3, 4], [5]);
      first.relay.ring();
      await clock.until(async () => (await waiting()).length === 0);
      first.gone.abort();
      putBack();
      fence = await own();
      await derive(one, [3], [6], [7]);
    }
    /** What the owner after that derives. */
    async function goOn() {
      fence = await own();
      await derive(one, [4, 5], [8]);
      const { relay } = start();
      relay.ring();
      await clock.until(async () => (await waiting()).length === 0);
      expect(numbersIn(one)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      expect((await bus.state(one, "any")).vanished).toBe(0);
    }
    it("the outbox alone, after the strays were found", async () => {
      await goneBack();
      const again = bus.snapshot(source.prefix);
      const { relay, gone } = start();
      relay.ring();
      await clock.until(async () => (await waiting()).length === 0);
      gone.abort();
      again();
      await goOn();
    });

    it.each([1, 2, 3, 4])("everything, before frame %i is sent that the former owner has in hand", async (place) => {
      await goneBack();
      const again = bus.snapshot("");
      let sent = 0;
      onRelay = () => {
        if (++sent === place) again();
      };
      const { relay, gone } = start();
      relay.ring();
      await clock.until(async () => sent >= place && (await waiting()).length === 0);
      gone.abort();
      await goOn();
    });

    it("everything, before what was stored is taken off the outbox", async () => {
      await goneBack();
      const again = bus.snapshot("");
      await derive(one, [9]);
      let isBack = false;
      onRelayed = () => {
        if (!isBack) again();
        isBack = true;
      };
      const { relay, gone } = start();
      relay.ring();
      await clock.until(() => isBack);
      await clock.advance(1_000);
      expect(await waiting()).toHaveLength(3);
      gone.abort();
      await goOn();
    });

    it.each(["while they are looked for", "when they are remembered"])("everything, %s", async (when) => {
      await goneBack();
      const again = bus.snapshot("");
      let isBack = false;
      const method = when.startsWith("while") ? "newest" : "rememberStrays";
      const whole = bus[method].bind(bus) as (...args: readonly unknown[]) => Promise<unknown>;
      (bus as unknown as Record<string, unknown>)[method] = async (...args: readonly unknown[]) => {
        const answer = await whole(...args);
        if (!isBack) again();
        isBack = true;
        return answer;
      };
      const { relay, gone } = start();
      relay.ring();
      await clock.until(async () => isBack && (await waiting()).length === 0);
      gone.abort();
      await goOn();
    });

    it("the log alone: what it has lost of the strays is stored when it comes again", async () => {
      await derive(one, [1, 2]);
      const former = start();
      former.relay.ring();
      await clock.until(async () => (await waiting()).length === 0);
      const putBack = bus.snapshot(source.prefix);
      await derive(one, [3]);
      former.relay.ring();
      await clock.until(async () => (await waiting()).length === 0);
      const again = bus.snapshot(one.prefix);
      await derive(one, [4], [5]);
      former.relay.ring();
      await clock.until(async () => (await waiting()).length === 0);
      former.gone.abort();
      putBack();
      fence = await own();
      await derive(one, [6]);
      const { relay } = start();
      relay.ring();
      await clock.until(async () => (await waiting()).length === 0);
      again();
      await derive(one, [3, 4], [5]);
      relay.ring();
      await clock.until(async () => (await waiting()).length === 0);
      expect(numbersIn(one)).toEqual([1, 2, 3, 4, 5]);
      expect((await bus.state(source, "pipe")).vanished).toBe(1);
    });
  });

  it("keeps whose the events are of a frame that it stores without some of them", async () => {
    const of = (n: number, by?: string) => ({ ...envelopeOf(n, "thing.happened", { key: "k", n }), by });
    const derive = async (...envelopes: readonly Envelope[]) => {
      const commit = { number: ++number, reads: 0, entries: [], counts: {}, deadLetters: [], keyed: undefined, floor: undefined };
      expect(await bus.commit(fence, { ...commit, derived: [{ to: one, frame: encodeFrame(envelopes) }] })).toBe("committed");
    };
    const putBack = bus.snapshot(source.prefix);
    await derive(of(1, "a"));
    const first = start();
    first.relay.ring();
    await clock.until(async () => (await waiting()).length === 0);
    first.gone.abort();
    putBack();
    fence = await own();
    await derive(of(1, "a"), of(2, "b"), of(3), of(4, "b"), of(5, "a"));
    const second = start();
    second.relay.ring();
    await clock.until(async () => (await waiting()).length === 0);
    expect(numbersIn(one)).toEqual([1, 2, 3, 4, 5]);
    const makers = bus.entriesOf(one).flatMap(({ fields }) => decodeAll(new EntryFields(fields)).map(({ by }) => by));
    expect(makers).toEqual(["a", "b", undefined, "b", "a"]);
  });

  it("goes on behind what is left of a log that has gone back, and counts what is gone, there and for its pipeline", async () => {
    await derive(one, [1, 2]);
    const { relay } = start();
    relay.ring();
    await clock.until(async () => (await waiting()).length === 0);
    const putBack = bus.snapshot(one.prefix);
    await derive(one, [3, 4], [5]);
    await derive(two, [6]);
    relay.ring();
    await clock.until(async () => (await waiting()).length === 0);
    putBack();
    await derive(one, [7], [8]);
    relay.ring();
    await clock.until(async () => (await waiting()).length === 0);
    expect([numbersIn(one), numbersIn(two)]).toEqual([[1, 2, 7, 8], [6]]);
    expect(said.filter((line) => line.includes('"vanished":3'))).toHaveLength(1);
    expect((await bus.state(one, "any")).vanished).toBe(3);
    expect((await bus.state(source, "pipe")).vanished).toBe(3);
  });

  it("begins with the first frame where a log has forgotten the outbox altogether", async () => {
    const empty = bus.snapshot(one.prefix);
    await derive(one, [1, 2]);
    const { relay } = start();
    relay.ring();
    await clock.until(async () => (await waiting()).length === 0);
    empty();
    await derive(one, [3]);
    relay.ring();
    await clock.until(async () => (await waiting()).length === 0);
    expect(numbersIn(one)).toEqual([3]);
    expect((await bus.state(one, "any")).vanished).toBe(2);
  });

  it("knows frames that another relay has stored and not taken off", async () => {
    await derive(one, [1], [2], [3]);
    const entries = await bus.outbox(source, "pipe", { count: 10 });
    for (const entry of entries.slice(0, 2)) await bus.relay({ ...entry, without: 0, strays: 0, tenure: fence.tenure });
    const { relay } = start();
    relay.ring();
    await clock.until(async () => (await waiting()).length === 0);
    expect(numbersIn(one)).toEqual([1, 2, 3]);
    expect(said).toEqual([]);
  });

  it("leaves a record that nobody can read, says so once, and holds up what comes next in its log alone", async () => {
    for (let n = 0; n < 70; n++) await derive(one, [n]);
    await derive(two, [1_000], [1_001]);
    await derive(three, [2_000], [2_001]);
    garbled = new Set([await recordOf(one, 30), await recordOf(two, 1)]);
    const { relay } = start();
    relay.ring();
    await clock.until(() => numbersIn(three).length === 2);
    await derive(three, [2_002]);
    await derive(two, [1_002]);
    relay.ring();
    await clock.until(() => numbersIn(three).length === 3);
    await clock.advance(60_000);
    expect(numbersIn(one)).toEqual(Array.from({ length: 30 }, (_, n) => n));
    expect(numbersIn(two)).toEqual([1_000]);
    expect(said.filter((line) => line.startsWith("derived events cannot be read in the outbox"))).toHaveLength(2);
    expect((await bus.state(one, "any")).vanished).toBe(0);
    // Whoever can read them brings them on, in their order.
    garbled.clear();
    await clock.until(async () => (await waiting()).length === 0);
    expect(numbersIn(one)).toEqual(Array.from({ length: 70 }, (_, n) => n));
    expect(numbersIn(two)).toEqual([1_000, 1_001, 1_002]);
    expect((await bus.state(source, "pipe")).vanished).toBe(0);
  });

  it("stores what can be read again before what was behind it, also where that comes in between", async () => {
    await derive(one, [1], [2], [3]);
    await derive(two, [5]);
    garbled.add(await recordOf(one, 1));
    onUnlinked = () => garbled.clear();
    const { relay } = start();
    relay.ring();
    await clock.until(async () => (await waiting()).length === 0);
    expect([numbersIn(one), numbersIn(two)]).toEqual([[1, 2, 3], [5]]);
    expect((await bus.state(source, "pipe")).vanished).toBe(0);
  });

  it("goes on behind a record that nobody could read and that was removed, and counts its events as vanished", async () => {
    await derive(one, [1], [2, 3], [4]);
    await derive(two, [5]);
    const lost = await recordOf(one, 1);
    garbled.add(lost);
    const { relay } = start();
    relay.ring();
    await clock.until(async () => (await waiting()).length === 2);
    await clock.advance(1_000);
    expect(numbersIn(one)).toEqual([1]);
    await bus.relayed(fence, [lost], number);
    await clock.until(async () => (await waiting()).length === 0);
    expect([numbersIn(one), numbersIn(two)]).toEqual([[1, 4], [5]]);
    expect((await bus.state(source, "pipe")).vanished).toBe(2);
  });

  it("ends with what is left where it is told to stop, and stores nothing more once the lease is gone", async () => {
    await derive(one, [1]);
    closed.set(one.log, away);
    const { relay, stop } = start();
    relay.ring();
    await clock.advance(1_000);
    stop.abort();
    await clock.settle(relay.done);
    expect(await waiting()).toEqual([one.name]);
    closed.clear();
    const { relay: later, gone } = start();
    gone.abort();
    later.ring();
    await clock.settle(later.done);
    expect(numbersIn(one)).toEqual([]);
  });
});
