import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { Gauge } from "../../../src/core/gauge.ts";
import { idle } from "../../../src/testing/virtual-clock.ts";

describe("the gauge of what is in flight", () => {
  it("lets only as many of those who wait begin as there is room for, in their order", async () => {
    const gauge = new Gauge(10);
    gauge.add(30);
    const begun: number[] = [];
    const { signal } = new AbortController();
    for (let n = 0; n < 5; n++) void gauge.room(signal, 4).then(() => begun.push(n));
    gauge.remove(20);
    await idle();
    expect(begun).toEqual([]);
    gauge.remove(8);
    await idle();
    expect(begun).toEqual([0, 1]);
    gauge.remove(1);
    await idle();
    expect(begun).toEqual([0, 1, 2]);
    gauge.remove(13);
    await idle();
    expect(begun).toEqual([0, 1, 2, 3, 4]);
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  it("takes no room for one who gives up, and is not asked by him again", async () => {
    const gauge = new Gauge(10);
    const stop = new AbortController();
    gauge.add(10);
    const waiting = gauge.room(stop.signal, 100);
    stop.abort();
    expect(await waiting).toBe(false);
    expect(await gauge.room(stop.signal, 100)).toBe(false);
    gauge.remove(1);
    expect(await gauge.room(new AbortController().signal, 1)).toBe(true);
  });
});
