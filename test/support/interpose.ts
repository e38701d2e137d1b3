import type { Bus } from "../../src/bus/port.ts";
import { RetryableError } from "../../src/core/errors.ts";

type Method = Exclude<keyof Bus, "deadLetters" | "wait">;

/** Stands between a caller and one method: `call` goes on to the bus. */
export type Tap = (call: () => Promise<unknown>, method: Method) => Promise<unknown>;

/** The bus with a tap on each of its calls: what a test needs to lose answers and to let a process die. */
export function interpose(bus: Bus, tap: Tap): Bus {
  let calls = 0;
  return new Proxy(bus, {
    get(target, property: keyof Bus) {
      const method = target[property].bind(target) as (...args: readonly unknown[]) => unknown;
      // Waiting never rejects, on no bus: nothing can be lost there.
      if (property === "deadLetters" || property === "wait") return method;
      return (...args: readonly unknown[]) => {
        // On a bus in memory a caller that never rests would keep every timer of the test from firing.
        if (++calls > 50_000) throw new Error(`'${property}' is called without end`);
        return tap(() => method(...args) as Promise<unknown>, property);
      };
    },
  });
}

/** Does what is asked and loses the answer, for the calls that `loses` picks. */
export const loseAnswers = (bus: Bus, loses: (method: Method) => boolean): Bus =>
  interpose(bus, async (call, method) => {
    const answer = await call();
    if (loses(method)) throw new RetryableError("service.unreachable", `the answer to '${method}' was lost`);
    return answer;
  });

/** Does nothing and fails, for the calls that `refuses` picks. */
export const refuseCalls = (bus: Bus, refuses: (method: Method) => boolean): Bus =>
  interpose(bus, async (call, method) => {
    if (refuses(method)) throw new RetryableError("service.unreachable", `'${method}' did not get through`);
    return call();
  });
