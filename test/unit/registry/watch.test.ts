import { beforeEach, describe, expect, it } from "vitest";
import { RetryableError } from "../../../src/core/errors.ts";
import { MemoryRegistry } from "../../../src/registry/memory.ts";
import type { RegistryView } from "../../../src/registry/port.ts";
import { watchLive } from "../../../src/registry/watch.ts";
import { idle, VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { process } from "../../support/process.ts";

const ttlMs = 10_000;

describe("watching the registry", () => {
  let clock: VirtualClock;
  let registry: MemoryRegistry;
  let isAway: boolean;
  let reads: number;
  beforeEach(() => {
    clock = new VirtualClock();
    registry = new MemoryRegistry(clock);
    isAway = false;
    reads = 0;
  });

  /** Watches; `told` holds what was told, and when. Without pushes where they are lost. */
  function watch({ pushes = true } = {}) {
    const stop = new AbortController();
    const told: { readonly names: readonly string[] | undefined; readonly at: number }[] = [];
    const seen = (view: RegistryView) => told.push({ names: view?.map(({ instance }) => instance), at: clock.monotonic() });
    const live = async () => {
      reads++;
      if (isAway) throw new RetryableError("service.unreachable", "away");
      return registry.live();
    };
    const onPush = (pushed: () => void) => (pushes ? registry.onPush(pushed) : () => {});
    const done = watchLive({ live }, seen, { clock, onPush, stop: stop.signal });
    return {
      told,
      stop: () => {
        stop.abort();
        return clock.settle(done);
      },
    };
  }

  it("hears of a change at once by a push", async () => {
    const { told, stop } = watch();
    await clock.advance(1_000);
    await registry.announce(process("a"), ttlMs);
    await clock.advance(50);
    expect(told.map(({ names }) => names)).toEqual([[], ["a"]]);
    await stop();
  });

  it("hears of it soon where the push is lost", async () => {
    const { told, stop } = watch({ pushes: false });
    await idle();
    await registry.announce(process("a"), ttlMs);
    await clock.advance(3_100);
    expect(told.at(-1)?.names).toEqual(["a"]);
    await stop();
  });

  it("hears of a death when the entry runs out", async () => {
    await registry.announce(process("a"), 4_321);
    const { told, stop } = watch({ pushes: false });
    await clock.advance(4_400);
    expect(told.map(({ names }) => names)).toEqual([["a"], []]);
    expect(told.at(-1)?.at).toBeGreaterThanOrEqual(4_321);
    await stop();
  });

  it("reads once for a flock of pushes", async () => {
    const { stop } = watch();
    await clock.advance(1_000);
    reads = 0;
    for (let n = 0; n < 50; n++) await registry.announce(process(`p${n}`), ttlMs);
    await clock.advance(500);
    expect(reads).toBeLessThanOrEqual(2);
    await stop();
  });

  it("misses no change that comes while it is reading", async () => {
    let answer = () => {};
    const stop = new AbortController();
    const pids: (number | undefined)[] = [];
    // Reads, and answers when it is told to: what it says is old by then.
    const live = async () => {
      const seen = await registry.live();
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return seen;
    };
    const done = watchLive({ live }, (view) => pids.push(view?.[0]?.pid), {
      clock,
      onPush: (pushed) => registry.onPush(pushed),
      stop: stop.signal,
    });
    await registry.announce(process("a", { pid: 1 }), ttlMs);
    await idle();
    answer();
    await clock.advance(25);
    answer();
    await clock.advance(25);
    expect(pids).toEqual([undefined, 1]);
    stop.abort();
    answer();
    await clock.settle(done);
  });

  it("keeps to what it knew while the registry is away, and says that nobody can tell when that has run out", async () => {
    await registry.announce(process("a"), 5_000);
    const { told, stop } = watch();
    await clock.advance(1_000);
    isAway = true;
    await clock.advance(3_900);
    expect(told.map(({ names }) => names)).toEqual([["a"]]);
    await clock.advance(2_500);
    expect(told.map(({ names }) => names)).toEqual([["a"], undefined]);
    isAway = false;
    await clock.advance(1_100);
    expect(told.map(({ names }) => names)).toEqual([["a"], undefined, []]);
    await stop();
  });

  it("says at once that nobody can tell where the registry is away from the beginning", async () => {
    isAway = true;
    const { told, stop } = watch();
    await clock.advance(10);
    expect(told.map(({ names }) => names)).toEqual([undefined]);
    await stop();
  });
});
