import { describe, expect, it } from "vitest";
import { RetryableError, TerminalError } from "../../../src/core/errors.ts";
import { guarded } from "../../../src/stages/guard.ts";

const away = () => new RetryableError("service.unreachable", "away");

describe("a stage's guards", () => {
  it("leave a function without guards as it is", () => {
    const call = (value: unknown) => value;
    expect(guarded("look", call, undefined)).toBe(call);
  });

  it("try again what may pass, and give the entries back when it does not", async () => {
    let calls = 0;
    const flaky = guarded("look", () => (++calls < 3 ? Promise.reject(away()) : calls), {
      retry: { attempts: 3, initialMs: 1, maxMs: 2 },
    });
    expect(await flaky(undefined)).toBe(3);

    calls = 0;
    const dead = guarded("look", () => Promise.reject(++calls && away()), { retry: { attempts: 2, initialMs: 1, maxMs: 2 } });
    await expect(dead(undefined)).rejects.toThrow(RetryableError);
    expect(calls).toBe(3);
  });

  it("do not try again what is the event's own fault", async () => {
    let calls = 0;
    const refuses = guarded("look", () => Promise.reject(++calls && new TerminalError("event.invalid", "no such user")), {
      retry: { attempts: 5, initialMs: 1, maxMs: 2 },
      breaker: { failures: 1, openMs: 60_000 },
    });
    await expect(refuses(undefined)).rejects.toThrow("no such user");
    await expect(refuses(undefined)).rejects.toThrow("no such user");
    expect(calls).toBe(2);
  });

  it("give up a call that takes too long, as something that may pass", async () => {
    const hangs = guarded("look", () => new Promise(() => {}), { timeoutMs: 5 });
    await expect(hangs(undefined)).rejects.toThrow("stage 'look' took longer than 5 ms");
    await expect(hangs(undefined)).rejects.toBeInstanceOf(RetryableError);
  });

  it("stop calling what fails again and again", async () => {
    let calls = 0;
    const dead = guarded("look", () => Promise.reject(++calls && away()), { breaker: { failures: 3, openMs: 60_000 } });
    for (let i = 0; i < 3; i++) await expect(dead(undefined)).rejects.toThrow("away");
    await expect(dead(undefined)).rejects.toThrow("its breaker is open");
    expect(calls).toBe(3);
  });
});
