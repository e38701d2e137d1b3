import { describe, expect, it } from "vitest";
import { type BreakerOptions, ProducerBreaker } from "../../../src/bus/producer-breaker.ts";
import { RetryableError, TerminalError } from "../../../src/core/errors.ts";
import { idle, VirtualClock } from "../../../src/testing/virtual-clock.ts";

const away = () => Promise.reject(new RetryableError("service.unreachable", "away"));
const fine = () => Promise.resolve("fine");

function setUp(options: BreakerOptions = {}) {
  const clock = new VirtualClock();
  const breaker = new ProducerBreaker({ failures: 3, slowMs: 1_000, openMs: 500, ...options }, clock);
  const fail = (times: number) =>
    Promise.all(Array.from({ length: times }, () => expect(breaker.run(away)).rejects.toThrow("away")));
  return { clock, breaker, fail };
}

describe("the breaker of a producer", () => {
  it("opens after so many failures in a row, and not after as many with an answer among them", async () => {
    const { breaker, fail } = setUp();
    await fail(2);
    await breaker.run(fine);
    await fail(2);
    expect(breaker.retryAfterMs).toBeUndefined();
    await fail(1);
    expect(breaker.retryAfterMs).toBe(500);
  });

  it("takes errors that are no trouble of the service for answers", async () => {
    const { breaker } = setUp({ failures: 1 });
    const refused = breaker.run(() => Promise.reject(new TerminalError("event.invalid", "no")));
    await expect(refused).rejects.toThrow("no");
    expect(breaker.retryAfterMs).toBeUndefined();
  });

  it("lets one call through as a probe when its time is out, and the others when the probe was answered", async () => {
    const { clock, breaker, fail } = setUp();
    await fail(3);
    const ran: number[] = [];
    let answer = () => {};
    const calls = [0, 1, 2].map((n) =>
      breaker.run(() => {
        ran.push(n);
        return new Promise<void>((resolve) => {
          answer = resolve;
        });
      }),
    );
    await clock.advance(499);
    expect(ran).toEqual([]);
    await clock.advance(1);
    expect(ran).toEqual([0]);
    expect(breaker.retryAfterMs).toBe(500);
    answer();
    await calls[0];
    await idle();
    expect(ran).toEqual([0, 1, 2]);
    expect(breaker.retryAfterMs).toBeUndefined();
  });

  it("stays open where the probe fails, and probes again later", async () => {
    const { clock, breaker, fail } = setUp();
    await fail(3);
    await clock.advance(500);
    expect(breaker.retryAfterMs).toBeUndefined();
    await fail(1);
    expect(breaker.retryAfterMs).toBe(500);
    await clock.advance(500);
    await breaker.run(fine);
    expect(breaker.retryAfterMs).toBeUndefined();
  });

  it("opens while an answer is late, for as long as it is, and waits for one in good time", async () => {
    const { clock, breaker } = setUp();
    let answer = () => {};
    const late = breaker.run(
      () =>
        new Promise<void>((resolve) => {
          answer = resolve;
        }),
    );
    await clock.advance(999);
    expect(breaker.retryAfterMs).toBeUndefined();
    await clock.advance(1);
    expect(breaker.retryAfterMs).toBe(500);
    await clock.advance(60_000);
    expect(breaker.retryAfterMs).toBe(500);
    answer();
    await late;
    // The late answer does not say that the next one will be in time: that is for a probe to find out.
    const ran: string[] = [];
    const [probe, other] = ["probe", "other"].map((name) => breaker.run(async () => void ran.push(name)));
    await Promise.all([probe, other]);
    expect(ran).toEqual(["probe", "other"]);
    expect(breaker.retryAfterMs).toBeUndefined();
  });

  it("does not look at the wall clock", async () => {
    const { clock, breaker, fail } = setUp();
    await fail(3);
    clock.setWall(-3_600_000);
    await clock.advance(500);
    expect(breaker.retryAfterMs).toBeUndefined();
    await breaker.run(fine);
  });

  it("holds nobody back who was told to stop", async () => {
    const { breaker, fail } = setUp();
    await fail(3);
    const stop = new AbortController();
    const waiting = breaker.run(fine, stop.signal);
    stop.abort();
    expect(await waiting).toBe("fine");
  });
});
