import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { Parking } from "../../../src/engine/parking.ts";
import { idle } from "../../../src/testing/virtual-clock.ts";

describe("parking", () => {
  it("lets nothing pass what was refused, whenever it comes; other keys go on", async () => {
    const parking = new Parking();
    await expect(parking.add("k", () => Promise.reject(new Error("the pipeline stops")))).rejects.toThrow("stops");
    await idle();
    expect(parking.has("k")).toBe(true);
    let hasRun = false;
    const later = parking.add("k", () => {
      hasRun = true;
    });
    await expect(later).rejects.toThrow("stops");
    expect(hasRun).toBe(false);
    await parking.add("other", () => {});
    await idle();
    expect(parking.has("other")).toBe(false);
  });

  it("makes the next one wait when it is full, and leaves no listener behind when there is room again", async () => {
    const parking = new Parking();
    const { signal } = new AbortController();
    const leave: (() => void)[] = [];
    for (let n = 0; n < 1_000; n++) {
      await parking.room(signal);
      void parking.add(`k${n}`, () => new Promise<void>((resolve) => leave.push(resolve)));
    }
    await idle();
    for (let round = 0; round < 20; round++) {
      let isThrough = false;
      const waiting = parking.room(signal).then(() => {
        isThrough = true;
      });
      await idle();
      expect(isThrough).toBe(false);
      leave.pop()?.();
      await waiting;
      void parking.add(`again ${round}`, () => new Promise<void>((resolve) => leave.push(resolve)));
      await idle();
    }
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });
});
