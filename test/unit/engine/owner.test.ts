import { beforeEach, describe, expect, it } from "vitest";
import { MemoryBus } from "../../../src/bus/memory/bus.ts";
import { type Partition, partitionsOf } from "../../../src/bus/partition.ts";
import type { Bus, Commit } from "../../../src/bus/port.ts";
import { RetryableError } from "../../../src/core/errors.ts";
import { type Logger, silentLogger } from "../../../src/core/log.ts";
import { Assignment } from "../../../src/engine/assign/assignment.ts";
import { type Owned, own } from "../../../src/engine/assign/owner.ts";
import { noTelemetry } from "../../../src/telemetry/port.ts";
import { idle, VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { interpose } from "../../support/interpose.ts";
import { logBook } from "../../support/log-book.ts";
import { things } from "../../support/things.ts";

const ttlMs = 10_000;
const partition = partitionsOf(things().plan)[0] as Partition;
const nothing: Commit = {
  number: 1,
  reads: 0,
  entries: [],
  counts: { delivered: 1 },
  deadLetters: [],
  keyed: undefined,
  derived: [],
  checkpoint: undefined,
};

describe("ownership", () => {
  let clock: VirtualClock;
  let bus: MemoryBus;
  beforeEach(() => {
    clock = new VirtualClock();
    bus = new MemoryBus(clock);
  });

  /** A worker whose work lasts until its lease is lost or it is asked to end. It knows of no others. */
  function worker(owner: string, through: Bus = bus, logger: Logger = silentLogger) {
    const stop = new AbortController();
    const slot = { partition, pipeline: "pipe" };
    const self = { instance: owner, since: "" };
    const assignment = new Assignment({ self, slots: [slot], graceMs: ttlMs, clock, stop: stop.signal, onHeld: () => {} });
    assignment.see(undefined);
    const telemetry = noTelemetry;
    const held: { readonly owned: Owned; readonly sinceMs: number; lostAtMs?: number }[] = [];
    const done = own(
      slot,
      async (owned) => {
        const one: (typeof held)[number] = { owned, sinceMs: clock.monotonic() };
        held.push(one);
        owned.lost.addEventListener("abort", () => {
          one.lostAtMs = clock.monotonic();
        });
        await clock.sleep(Number.MAX_SAFE_INTEGER, AbortSignal.any([owned.lost, owned.stop]));
      },
      { deps: { bus: through, clock, logger, assignment, telemetry }, options: { owner, ttlMs }, stop: stop.signal },
    );
    return { held, done, stop: () => stop.abort() };
  }

  it("is of one worker at a time, for as long as it renews", async () => {
    const first = worker("w1");
    await idle();
    const second = worker("w2");
    await clock.advance(120_000);
    expect(first.held).toHaveLength(1);
    expect(first.held[0]?.lostAtMs).toBeUndefined();
    expect(second.held).toHaveLength(0);
    first.stop();
    second.stop();
    await clock.settle(Promise.all([first.done, second.done]));
  });

  it("goes to the standby at once when the owner ends in order", async () => {
    const first = worker("w1");
    await idle();
    const second = worker("w2");
    await clock.advance(5_000);
    first.stop();
    await clock.settle(first.done);
    await clock.advance(ttlMs / 5 + 50);
    expect(second.held).toHaveLength(1);
    expect(second.held[0]?.owned.fence.epoch).toBeGreaterThan(first.held[0]?.owned.fence.epoch as number);
    second.stop();
    await clock.settle(second.done);
  });

  it("goes to the standby when the lease of a dead owner has run out, and fences the dead one", async () => {
    let isDead = false;
    const first = worker(
      "w1",
      interpose(bus, (call) => (isDead ? new Promise(() => {}) : call())),
    );
    await idle();
    isDead = true;
    const second = worker("w2");
    await clock.until(() => second.held.length === 1);
    expect(clock.monotonic()).toBeLessThanOrEqual(ttlMs + 100);
    const late = first.held[0]?.owned.fence;
    if (!late) throw new Error("the first never owned it");
    expect(await bus.read(late, { from: "new", after: "0-0", count: 1 })).toEqual({ kind: "fenced" });
    expect(await bus.commit(late, nothing)).toBe("fenced");
    expect(await bus.renew(late, ttlMs)).toBe(false);
    second.stop();
    await clock.settle(second.done);
  });

  it.each([
    ["fail", () => Promise.reject(new RetryableError("service.unreachable", "away"))],
    ["never come back", () => new Promise(() => {})],
  ])("is given up by the owner's own clock before the lease runs out, when renewals %s", async (_, renewal) => {
    const first = worker(
      "w1",
      interpose(bus, (call, method) => (method === "renew" ? renewal() : call())),
    );
    await clock.until(() => first.held[0]?.lostAtMs !== undefined);
    expect(first.held[0]?.lostAtMs).toBeGreaterThan(ttlMs / 2);
    expect(first.held[0]?.lostAtMs).toBeLessThanOrEqual(ttlMs - 2_000);
    first.stop();
    await clock.settle(first.done);
  });

  it("counts from the moment of asking, however long the answer took", async () => {
    const slow = interpose(bus, async (call, method) => {
      const answer = await call();
      if (method === "acquire") await clock.sleep(6_000);
      if (method === "renew") throw new RetryableError("service.unreachable", "away");
      return answer;
    });
    const first = worker("w1", slow);
    await clock.until(() => first.held[0]?.lostAtMs !== undefined);
    expect(first.held[0]?.sinceMs).toBe(6_000);
    expect(first.held[0]?.lostAtMs).toBeLessThanOrEqual(ttlMs - 2_000);
    first.stop();
    await clock.advance(ttlMs);
    await first.done;
  });

  it("says once why there is no lease, however long that lasts, and again where it is another", async () => {
    let reason: string | undefined = "away";
    const refusing = interpose(bus, async (call, method) => {
      if (method === "acquire" && reason) throw new RetryableError("service.unreachable", reason);
      return call();
    });
    const { logger, lines } = logBook();
    const told = () => lines.filter((line) => line === "warn: no lease: trying again").length;
    const first = worker("w1", refusing, logger);
    await clock.advance(60_000);
    expect(told()).toBe(1);
    reason = "full";
    await clock.advance(60_000);
    expect(told()).toBe(2);
    reason = undefined;
    await clock.advance(5_000);
    expect(first.held).toHaveLength(1);
    first.stop();
    await clock.settle(first.done);
  });

  it("does not depend on the wall clock, which may jump", async () => {
    const first = worker("w1");
    await clock.advance(1_000);
    clock.setWall(-3_600_000);
    await clock.advance(60_000);
    expect(first.held[0]?.lostAtMs).toBeUndefined();
    first.stop();
    await clock.settle(first.done);
  });

  it("survives single renewals that fail", async () => {
    let renewals = 0;
    const flaky = interpose(bus, async (call, method) => {
      if (method === "renew" && ++renewals % 2 === 0) throw new RetryableError("service.unreachable", "away");
      return call();
    });
    const first = worker("w1", flaky);
    await clock.advance(120_000);
    expect(first.held).toHaveLength(1);
    expect(first.held[0]?.lostAtMs).toBeUndefined();
    first.stop();
    await clock.settle(first.done);
  });

  it("has a new epoch when the same worker gets it back, so that what it sent before is fenced", async () => {
    const first = worker(
      "w1",
      interpose(bus, (call, method) =>
        method === "renew" || method === "release" ? Promise.reject(new RetryableError("service.unreachable", "away")) : call(),
      ),
    );
    await clock.until(() => first.held.length === 2);
    const [before, after] = first.held;
    expect(await bus.commit(before?.owned.fence as never, nothing)).toBe("fenced");
    expect(await bus.commit(after?.owned.fence as never, nothing)).toBe("committed");
    first.stop();
    await clock.settle(first.done);
  });

  it("waits while the bus is away, and takes the lease when it is back", async () => {
    let isAway = true;
    const first = worker(
      "w1",
      interpose(bus, (call) => (isAway ? Promise.reject(new RetryableError("service.unreachable", "away")) : call())),
    );
    await clock.advance(30_000);
    expect(first.held).toHaveLength(0);
    isAway = false;
    await clock.advance(2_100);
    expect(first.held).toHaveLength(1);
    first.stop();
    await clock.settle(first.done);
  });
});
