import { expect, it } from "vitest";
import type { AppendLog } from "../../../src/bus/append-log.ts";
import { timed } from "../../../src/collector/append-time.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";

/** A log that answers after so long, or fails. */
function setUp() {
  const clock = new VirtualClock();
  let answer = { afterMs: 0, fails: false };
  const log = {
    append: async () => {
      const { afterMs, fails } = answer;
      await clock.sleep(afterMs);
      if (fails) throw new Error("away");
      return { kind: "duplicate" } as const;
    },
  } as unknown as AppendLog;
  const { log: under, appendMs } = timed(log, clock);
  const append = (afterMs: number, fails = false) => {
    answer = { afterMs, fails };
    const call = under.append(undefined as never, undefined as never);
    call.catch(() => {});
    return call;
  };
  return { clock, append, appendMs };
}

it("goes by what appends have taken of late, and forgets a long one sooner than it has learnt of it", async () => {
  const { clock, append, appendMs } = setUp();
  expect(appendMs()).toBe(0);
  await clock.settle(append(1_000));
  expect(appendMs()).toBe(200);
  await clock.settle(append(1_000));
  expect(appendMs()).toBe(360);
  await clock.settle(append(0));
  expect(appendMs()).toBe(180);
});

it("goes by the oldest that has no answer", async () => {
  const { clock, append, appendMs } = setUp();
  void append(60_000);
  await clock.advance(700);
  void append(60_000);
  await clock.advance(300);
  expect(appendMs()).toBe(1_000);
});

it("goes on counting while all that come fail, and starts anew with one that does not", async () => {
  const { clock, append, appendMs } = setUp();
  await clock.settle(append(100, true).catch(() => {}));
  await clock.advance(900);
  await clock.settle(append(0, true).catch(() => {}));
  await clock.advance(500);
  expect(appendMs()).toBe(1_500);
  await clock.settle(append(0));
  expect(appendMs()).toBeLessThan(20);
});
