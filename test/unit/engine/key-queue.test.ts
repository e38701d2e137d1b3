import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { RetryableError } from "../../../src/core/errors.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { KeyQueue } from "../../../src/engine/process/key-queue.ts";
import { Recording } from "../../../src/engine/process/recording.ts";
import { untilDecided } from "../../../src/engine/process/until-decided.ts";
import { createLimits } from "../../../src/limit/limits.ts";
import { guarded } from "../../../src/stages/guard.ts";
import { noTelemetry } from "../../../src/telemetry/port.ts";
import { idle } from "../../../src/testing/virtual-clock.ts";

describe("many keys that wait", () => {
  it("make Node warn of nothing, also behind guards, and leave no listener behind", async () => {
    const warnings: string[] = [];
    const note = ({ name }: Error) => void warnings.push(name);
    process.on("warning", note);
    const { signal } = new AbortController();
    const queue = new KeyQueue();
    const asked = new Set<unknown>();
    const ask = guarded(
      "ask",
      async (key) => {
        if (asked.has(key)) return key;
        asked.add(key);
        throw new RetryableError("service.unreachable", "not now");
      },
      {
        guards: { timeoutMs: 60_000, concurrency: 5_000 },
        place: "p/ask",
        deps: { clock: systemClock, logger: silentLogger, limitFor: createLimits({ clock: systemClock, logger: silentLogger }) },
      },
    );
    const about = { partition: "log", pipeline: "p" };
    const deps = { clock: systemClock, logger: silentLogger, telemetry: noTelemetry, queue, signal, about };
    const take = untilDecided(async (value, { call }) => void (await ask(value, call)), deps);
    const waiting = Array.from({ length: 5_000 }, async (_, n) => take(`k${n}`, `k${n}`, new Recording({ signal })));
    await Promise.all(waiting);
    await idle();
    process.off("warning", note);
    expect([asked.size, warnings]).toEqual([5_000, []]);
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });
});

describe("a queue for each key", () => {
  it("lets no event pass one of its key that has failed, whenever it comes; other keys go on", async () => {
    const queue = new KeyQueue();
    await expect(queue.add("k", () => Promise.reject(new Error("the pipeline stops")))).rejects.toThrow("stops");
    await idle();
    expect(queue.has("k")).toBe(true);
    let hasRun = false;
    const later = queue.add("k", () => {
      hasRun = true;
    });
    await expect(later).rejects.toThrow("stops");
    expect(hasRun).toBe(false);
    await queue.add("other", () => {});
    await idle();
    expect(queue.has("other")).toBe(false);
  });

  it("makes the next one wait when it is full, and leaves no listener behind when there is room again", async () => {
    const queue = new KeyQueue();
    const { signal } = new AbortController();
    const leave: (() => void)[] = [];
    for (let n = 0; n < 1_000; n++) {
      await queue.waitForRoom(signal);
      void queue.add(`k${n}`, () => new Promise<void>((resolve) => leave.push(resolve)));
    }
    await idle();
    for (let round = 0; round < 20; round++) {
      let isThrough = false;
      const waiting = queue.waitForRoom(signal).then(() => {
        isThrough = true;
      });
      await idle();
      expect(isThrough).toBe(false);
      leave.pop()?.();
      await waiting;
      void queue.add(`again ${round}`, () => new Promise<void>((resolve) => leave.push(resolve)));
      await idle();
    }
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });
});
