import { describe, expect, it } from "vitest";
import { Breaker } from "../../../src/core/breaker.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { logBook } from "../../support/log-book.ts";

function open(failures = 3) {
  const clock = new VirtualClock();
  const { logger, lines } = logBook();
  return { clock, lines, breaker: new Breaker({ name: "a service", failures, openMs: 1_000 }, { clock, logger }) };
}
const fail = (breaker: Breaker, times: number) => {
  for (let i = 0; i < times; i++) {
    expect(breaker.enter()).toBe(true);
    breaker.failed();
  }
};

describe("a breaker", () => {
  it("opens after so many failures in a row, and not after as many with an answer between them", () => {
    const { breaker } = open();
    fail(breaker, 2);
    breaker.succeeded();
    fail(breaker, 2);
    expect(breaker.leftMs).toBe(0);
    fail(breaker, 1);
    expect(breaker.leftMs).toBe(1_000);
    expect(breaker.enter()).toBe(false);
  });

  it("lets one call through afterwards: its failure opens it anew, its success closes it", async () => {
    const { breaker, clock } = open();
    fail(breaker, 3);
    await clock.advance(999);
    expect(breaker.enter()).toBe(false);
    await clock.advance(1);
    expect(breaker.enter()).toBe(true);
    expect(breaker.enter()).toBe(false);
    breaker.failed();
    expect(breaker.leftMs).toBe(1_000);
    await clock.advance(1_000);
    expect(breaker.enter()).toBe(true);
    breaker.succeeded();
    expect([breaker.enter(), breaker.enter()]).toEqual([true, true]);
    fail(breaker, 2);
    expect(breaker.leftMs).toBe(0);
  });

  it("lets the next one try when the one that it let through never ends", async () => {
    const { breaker, clock } = open();
    fail(breaker, 3);
    await clock.advance(1_000);
    expect(breaker.enter()).toBe(true);
    await clock.advance(1_000);
    expect(breaker.enter()).toBe(true);
  });

  it("says once that it has opened, and once that it has closed", async () => {
    const { breaker, clock, lines } = open();
    fail(breaker, 3);
    for (let i = 0; i < 5; i++) {
      await clock.advance(1_000);
      fail(breaker, 1);
    }
    await clock.advance(1_000);
    breaker.enter();
    breaker.succeeded();
    breaker.succeeded();
    expect(lines).toEqual([
      "warn: the breaker has opened: nothing is called for a while",
      "info: the breaker has closed: it answers again",
    ]);
  });

  it("wakes those who wait for it when it closes, when it may be tried, and when they are told to stop", async () => {
    const { breaker, clock } = open();
    const stop = new AbortController();
    fail(breaker, 3);
    const woken: string[] = [];
    const wait = (name: string, signal: AbortSignal) =>
      breaker.ready(signal).then(() => woken.push(`${name} ${clock.monotonic()}`));
    void wait("told", stop.signal);
    await clock.advance(400);
    stop.abort();
    void wait("patient", new AbortController().signal);
    await clock.advance(600);
    expect(woken).toEqual(["told 400", "patient 1000"]);
    expect(breaker.enter()).toBe(true);
    void wait("late", new AbortController().signal);
    await clock.advance(300);
    breaker.succeeded();
    await clock.advance(0);
    expect(woken.at(-1)).toBe("late 1300");
  });
});
