import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { InFlightLimit } from "../../../src/core/in-flight-limit.ts";
import { idle } from "../../../src/testing/virtual-clock.ts";

describe("the limit of what is in flight", () => {
  it("lets only as many of those who wait begin as there is room for, in their order", async () => {
    const inFlight = new InFlightLimit(10);
    inFlight.add(30);
    const begun: number[] = [];
    const { signal } = new AbortController();
    for (let n = 0; n < 5; n++) void inFlight.waitForRoom(signal, 4).then(() => begun.push(n));
    inFlight.remove(20);
    await idle();
    expect(begun).toEqual([]);
    inFlight.remove(8);
    await idle();
    expect(begun).toEqual([0, 1]);
    inFlight.remove(1);
    await idle();
    expect(begun).toEqual([0, 1, 2]);
    inFlight.remove(13);
    await idle();
    expect(begun).toEqual([0, 1, 2, 3, 4]);
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  it("takes no room for a caller that gives up, and does not wake it again", async () => {
    const inFlight = new InFlightLimit(10);
    const stop = new AbortController();
    inFlight.add(10);
    const waiting = inFlight.waitForRoom(stop.signal, 100);
    stop.abort();
    expect(await waiting).toBe(false);
    expect(await inFlight.waitForRoom(stop.signal, 100)).toBe(false);
    inFlight.remove(1);
    expect(await inFlight.waitForRoom(new AbortController().signal, 1)).toBe(true);
  });
});
