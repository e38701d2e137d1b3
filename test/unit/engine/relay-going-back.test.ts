import { beforeEach, describe, expect, it } from "vitest";
import { EntryFields } from "../../../src/bus/fields.ts";
import { decodeAll } from "../../support/decode-all.ts";
import { type OutboxBench, openOutboxBench, source, targets } from "../../support/outbox-bench.ts";
import { envelopeOf } from "../../support/workbench.ts";

const [one, two] = targets;

describe("the relay of an outbox, where its log or its partition goes back,", () => {
  let bench: OutboxBench;
  beforeEach(async () => {
    bench = await openOutboxBench();
  });

  /** The outbox has forgotten a commit of [3, 4] and of [5], which are in their log behind [1, 2], and has another owner. */
  async function forget() {
    await bench.derive(one, [1, 2]);
    const first = bench.start();
    first.relay.wake();
    await bench.clock.until(async () => (await bench.waiting()).length === 0);
    const putBack = bench.bus.snapshot(source.prefix);
    await bench.derive(one, [3, 4], [5]);
    first.relay.wake();
    await bench.clock.until(async () => (await bench.waiting()).length === 0);
    first.gone.abort();
    putBack();
    bench.fence = await bench.own();
  }

  it("stores no event a second time that a forgotten commit has made, whatever frame it comes in", async () => {
    await forget();
    await bench.derive(one, [3], [4, 5, 6], [7]);
    const second = bench.start();
    second.relay.wake();
    await bench.clock.until(async () => (await bench.waiting()).length === 0);
    expect(bench.numbersIn(one)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(bench.said.join()).toMatch(/derived events are there of commits that Redis has forgotten.*"events":3/);
    expect((await bench.bus.state(one, "any")).vanished).toBe(0);
    // Its successor remembers them.
    second.gone.abort();
    bench.fence = await bench.own();
    await bench.derive(one, [4, 5], [8]);
    const third = bench.start();
    third.relay.wake();
    await bench.clock.until(async () => (await bench.waiting()).length === 0);
    expect(bench.numbersIn(one)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it("keeps whose the events are of a frame that it stores without some of them", async () => {
    const of = (n: number, by?: string) => ({ ...envelopeOf(n, "thing.happened", { key: "k", n }), by });
    const putBack = bench.bus.snapshot(source.prefix);
    await bench.commit(one, [of(1, "a")]);
    const first = bench.start();
    first.relay.wake();
    await bench.clock.until(async () => (await bench.waiting()).length === 0);
    first.gone.abort();
    putBack();
    bench.fence = await bench.own();
    await bench.commit(one, [of(1, "a"), of(2, "b"), of(3), of(4, "b"), of(5, "a")]);
    const second = bench.start();
    second.relay.wake();
    await bench.clock.until(async () => (await bench.waiting()).length === 0);
    expect(bench.numbersIn(one)).toEqual([1, 2, 3, 4, 5]);
    const makers = bench.bus.entriesOf(one).flatMap(({ fields }) => decodeAll(new EntryFields(fields)).map(({ by }) => by));
    expect(makers).toEqual(["a", "b", undefined, "b", "a"]);
  });

  it("goes on behind what is left of a log that has gone back, and counts what is gone, there and for its pipeline", async () => {
    await bench.derive(one, [1, 2]);
    const { relay } = bench.start();
    relay.wake();
    await bench.clock.until(async () => (await bench.waiting()).length === 0);
    const putBack = bench.bus.snapshot(one.prefix);
    await bench.derive(one, [3, 4], [5]);
    await bench.derive(two, [6]);
    relay.wake();
    await bench.clock.until(async () => (await bench.waiting()).length === 0);
    putBack();
    await bench.derive(one, [7], [8]);
    relay.wake();
    await bench.clock.until(async () => (await bench.waiting()).length === 0);
    expect([bench.numbersIn(one), bench.numbersIn(two)]).toEqual([[1, 2, 7, 8], [6]]);
    expect(bench.said.filter((line) => line.includes('"vanished":3'))).toHaveLength(1);
    expect((await bench.bus.state(one, "any")).vanished).toBe(3);
    expect((await bench.bus.state(source, "pipe")).vanished).toBe(3);
  });

  it("begins with the first frame where a log has forgotten the outbox altogether", async () => {
    const empty = bench.bus.snapshot(one.prefix);
    await bench.derive(one, [1, 2]);
    const { relay } = bench.start();
    relay.wake();
    await bench.clock.until(async () => (await bench.waiting()).length === 0);
    empty();
    await bench.derive(one, [3]);
    relay.wake();
    await bench.clock.until(async () => (await bench.waiting()).length === 0);
    expect(bench.numbersIn(one)).toEqual([3]);
    expect((await bench.bus.state(one, "any")).vanished).toBe(2);
  });

  it("knows frames that another relay has stored and not taken off", async () => {
    await bench.derive(one, [1], [2], [3]);
    const entries = await bench.bus.outbox(source, "pipe", { count: 10 });
    for (const entry of entries.slice(0, 2))
      await bench.bus.relay({ ...entry, without: 0, strays: 0, tenure: bench.fence.tenure });
    const { relay } = bench.start();
    relay.wake();
    await bench.clock.until(async () => (await bench.waiting()).length === 0);
    expect(bench.numbersIn(one)).toEqual([1, 2, 3]);
    expect(bench.said).toEqual([]);
  });

  describe("stores each event once where it goes back twice in close succession", () => {
    /** The next owner has derived [3], [6] and [7]. */
    async function goneBack() {
      await forget();
      await bench.derive(one, [3], [6], [7]);
    }
    /** What the owner after that derives. */
    async function goOn() {
      bench.fence = await bench.own();
      await bench.derive(one, [4, 5], [8]);
      const { relay } = bench.start();
      relay.wake();
      await bench.clock.until(async () => (await bench.waiting()).length === 0);
      expect(bench.numbersIn(one)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      expect((await bench.bus.state(one, "any")).vanished).toBe(0);
    }
    it("the outbox alone, after the strays were found", async () => {
      await goneBack();
      const again = bench.bus.snapshot(source.prefix);
      const { relay, gone } = bench.start();
      relay.wake();
      await bench.clock.until(async () => (await bench.waiting()).length === 0);
      gone.abort();
      again();
      await goOn();
    });

    it.each([1, 2, 3, 4])("everything, before frame %i is sent that the former owner has in hand", async (place) => {
      await goneBack();
      const again = bench.bus.snapshot("");
      let sent = 0;
      bench.onRelay = () => {
        if (++sent === place) again();
      };
      const { relay, gone } = bench.start();
      relay.wake();
      await bench.clock.until(async () => sent >= place && (await bench.waiting()).length === 0);
      gone.abort();
      await goOn();
    });

    it("everything, before what was stored is taken off the outbox", async () => {
      await goneBack();
      const again = bench.bus.snapshot("");
      await bench.derive(one, [9]);
      let isBack = false;
      bench.onRelayed = () => {
        if (!isBack) again();
        isBack = true;
      };
      const { relay, gone } = bench.start();
      relay.wake();
      await bench.clock.until(() => isBack);
      await bench.clock.advance(1_000);
      expect(await bench.waiting()).toHaveLength(3);
      gone.abort();
      await goOn();
    });

    it.each(["while they are looked for", "when they are remembered"])("everything, %s", async (when) => {
      await goneBack();
      const again = bench.bus.snapshot("");
      let isBack = false;
      const method = when.startsWith("while") ? "newest" : "rememberStrays";
      const whole = bench.bus[method].bind(bench.bus) as (...args: readonly unknown[]) => Promise<unknown>;
      (bench.bus as unknown as Record<string, unknown>)[method] = async (...args: readonly unknown[]) => {
        const answer = await whole(...args);
        if (!isBack) again();
        isBack = true;
        return answer;
      };
      const { relay, gone } = bench.start();
      relay.wake();
      await bench.clock.until(async () => isBack && (await bench.waiting()).length === 0);
      gone.abort();
      await goOn();
    });

    it.each([
      ["by the owner that found them", false],
      ["by the next one, which has never looked at that log", true],
    ])("the log alone: what it has lost of the strays is stored when it comes again, %s", async (_, byNext) => {
      await bench.derive(one, [1, 2]);
      const former = bench.start();
      former.relay.wake();
      await bench.clock.until(async () => (await bench.waiting()).length === 0);
      const putBack = bench.bus.snapshot(source.prefix);
      await bench.derive(one, [3]);
      former.relay.wake();
      await bench.clock.until(async () => (await bench.waiting()).length === 0);
      const again = bench.bus.snapshot(one.prefix);
      await bench.derive(one, [4], [5]);
      former.relay.wake();
      await bench.clock.until(async () => (await bench.waiting()).length === 0);
      former.gone.abort();
      putBack();
      bench.fence = await bench.own();
      await bench.derive(one, [6]);
      let { relay, gone } = bench.start();
      relay.wake();
      await bench.clock.until(async () => (await bench.waiting()).length === 0);
      again();
      if (byNext) {
        gone.abort();
        bench.fence = await bench.own();
      }
      await bench.derive(one, [3, 4], [5]);
      if (byNext) ({ relay, gone } = bench.start());
      relay.wake();
      await bench.clock.until(async () => (await bench.waiting()).length === 0);
      expect(bench.numbersIn(one)).toEqual([1, 2, 3, 4, 5]);
      expect((await bench.bus.state(source, "pipe")).vanished).toBe(1);
      expect(bench.said.filter((line) => line.includes('"vanished":1'))).toHaveLength(1);
    });
  });
});
