import type { Bus } from "../bus/port.ts";

const calls = [
  "acquire",
  "renew",
  "release",
  "read",
  "nack",
  "states",
  "timers",
  "seen",
  "commit",
  "append",
  "outbox",
  "relay",
  "relayed",
] as const satisfies readonly (keyof Bus)[];

/** A call that a worker makes of the log, such as `read` and `commit`. */
export type BusCall = (typeof calls)[number];

/** Where a worker dies: at the `nth` call of the bus from now on, before it takes effect or behind it. */
export interface Death {
  /** The call. */
  readonly call: BusCall;
  /** Whether the call takes effect. */
  readonly when: "before" | "after";
  /** From 1. @default 1 */
  readonly nth?: number;
}

/** What a worker that died was busy with ends with. */
class Died extends Error {}

/** A bus as one process sees it: the process can die at any of its calls, and then does nothing more. */
export class CrashingBus {
  readonly bus: Bus;
  #isDead = false;
  #waiting = 0;

  constructor(bus: Bus, death: Death | undefined) {
    let left = death?.nth ?? 1;
    this.bus = new Proxy(bus, {
      get: (target, property: keyof Bus) => {
        const method = target[property].bind(target) as (...args: readonly unknown[]) => unknown;
        if (property === "deadLetters" || property === "close") return method;
        if (property === "wait") return (...args: readonly unknown[]) => this.#wait(method(...args) as Promise<void>);
        return async (...args: readonly unknown[]) => {
          if (this.#isDead) throw new Died();
          const isLast = property === death?.call && --left === 0;
          if (isLast && death?.when === "before") this.#die();
          const answer = await method(...args);
          if (isLast) this.#die();
          return answer;
        };
      },
    });
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Readers that have found nothing to do. */
  get waiting(): number {
    return this.#waiting;
  }

  #die(): never {
    this.#isDead = true;
    throw new Died();
  }

  async #wait(waiting: Promise<void>): Promise<void> {
    this.#waiting++;
    await waiting.finally(() => {
      this.#waiting--;
    });
  }
}
