import type { StageCall } from "../../plan/plan.ts";
import type { Effects } from "../../stages/run.ts";
import type { RetriableEffects } from "./until-decided.ts";

/** Records what stages without state make of a value. It is passed on when the value's turn has come, more than once if need be. */
export class Recording implements RetriableEffects {
  readonly call: StageCall;
  /** The value that it is of. */
  of: { readonly moment: { readonly id: string } } | undefined;
  readonly #effects: ((to: Effects) => void)[] = [];

  constructor(call: StageCall) {
    this.call = call;
  }

  get eventId(): string {
    return this.of?.moment.id ?? "";
  }

  pass(value: unknown): void {
    this.#effects.push((to) => to.pass(value));
  }

  send(destination: string, row: unknown): void {
    this.#effects.push((to) => to.send(destination, row));
  }

  drop(reason: string): void {
    this.#effects.push((to) => to.drop(reason));
  }

  deadLetter(letter: Parameters<Effects["deadLetter"]>[0]): void {
    this.#effects.push((to) => to.deadLetter(letter));
  }

  again(): void {
    this.#effects.length = 0;
  }

  tell(to: Effects): void {
    for (const effect of this.#effects) effect(to);
  }
}
