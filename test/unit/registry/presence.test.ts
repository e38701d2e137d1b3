import { beforeEach, describe, expect, it } from "vitest";
import { RetryableError } from "../../../src/core/errors.ts";
import { type Logger, silentLogger } from "../../../src/core/log.ts";
import { MemoryRegistry } from "../../../src/registry/memory.ts";
import type { Facts, Load, Registry } from "../../../src/registry/port.ts";
import { enterRegistry } from "../../../src/registry/presence.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { process } from "../../support/process.ts";

const ttlMs = 10_000;

describe("a process in the registry", () => {
  let clock: VirtualClock;
  let registry: MemoryRegistry;
  /** What was announced, and when. */
  let announced: (Facts & Load & { readonly at: number })[];
  let isAway: boolean;
  let warnings: number;
  beforeEach(() => {
    clock = new VirtualClock();
    registry = new MemoryRegistry(clock);
    announced = [];
    isAway = false;
    warnings = 0;
  });

  const tapped = (): Registry => ({
    announce: async (said, ttl) => {
      if (isAway) throw new RetryableError("service.unreachable", "away");
      announced.push({ ...said, at: clock.monotonic() });
      await registry.announce(said, ttl);
    },
    withdraw: (instance) => registry.withdraw(instance),
    live: () => registry.live(),
    watch: (seen, stop) => registry.watch(seen, stop),
    close: () => registry.close(),
  });
  const logger: Logger = { ...silentLogger, warn: () => warnings++ };
  const enter = () => {
    const { cpu, rssBytes, ...facts } = process("p");
    let asked = 0;
    return enterRegistry(facts, { registry: tapped(), clock, logger, load: () => ({ cpu: ++asked, rssBytes }) });
  };
  const names = async () => (await registry.live()).map(({ instance }) => instance);

  it("is there once it has appeared, and as long as it lives", async () => {
    const presence = await enter();
    expect(await names()).toEqual(["p"]);
    for (let i = 0; i < 60; i++) {
      await clock.advance(1_000);
      expect(await names()).toEqual(["p"]);
    }
    // Often enough that two beats may be lost.
    expect(announced.length).toBeGreaterThanOrEqual(60_000 / (ttlMs / 3));
    expect(announced.length).toBeLessThan(25);
    await clock.settle(presence.close());
  });

  it("tells with each beat how busy it is", async () => {
    const presence = await enter();
    await clock.advance(7_000);
    expect(announced.map(({ cpu }) => cpu)).toEqual([1, 2, 3]);
    await clock.settle(presence.close());
  });

  it("says at once what is new, and together what comes together", async () => {
    const presence = await enter();
    await clock.advance(1_000);
    const held = (...names: readonly string[]) => ({ logins: { partitions: 8, held: names } });
    for (const name of ["a", "b", "c"]) presence.tell({ pipelines: held(name) });
    presence.tell({ state: "draining" });
    await clock.advance(100);
    expect(announced).toHaveLength(2);
    expect(announced[1]).toMatchObject({ pipelines: held("c"), state: "draining" });
    expect(presence.facts).toMatchObject({ pipelines: held("c"), state: "draining" });
    await clock.settle(presence.close());
  });

  it("goes at once when it closes, also for the second time, and never comes back", async () => {
    const presence = await enter();
    presence.tell({ state: "draining" });
    await clock.settle(Promise.all([presence.close(), presence.close()]));
    expect(await names()).toEqual([]);
    presence.tell({ state: "running" });
    await clock.advance(60_000);
    expect(await names()).toEqual([]);
    await presence.close();
  });

  it("appears where the registry is away, says so once, and is there soon after it is back", async () => {
    isAway = true;
    const presence = await enter();
    await clock.advance(30_000);
    expect(warnings).toBe(1);
    isAway = false;
    await clock.advance(1_100);
    expect(await names()).toEqual(["p"]);
    await clock.settle(presence.close());
  });
});
