import { Heap } from "heap-js";
import { nth } from "../core/nth.ts";

export interface QueuedTimer {
  readonly member: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** Timers held in memory above which the later half is left to the store. */
const maxHeld = 100_000;

/**
 * The timers of one stage and clock that are next: all up to a horizon. What lies beyond is in the store alone, so that a partition
 * with a million open windows need not hold them.
 */
export class TimerQueue {
  /** The times that are valid; the heap may still hold older ones. */
  readonly #held = new Map<string, number>();
  readonly #heap = new Heap<QueuedTimer>((a, b) => a.at - b.at || (a.member < b.member ? -1 : a.member > b.member ? 1 : 0));
  readonly #undo: { readonly member: string; readonly at: number | undefined }[] = [];
  #horizon = Number.NEGATIVE_INFINITY;

  /** Timers at or behind it may be missing. */
  get horizon(): number {
    return this.#horizon;
  }

  /** Takes the next timers of the store, in rising order; `all` where it has no more. */
  load(page: readonly QueuedTimer[], all: boolean): void {
    for (const { member, at } of page) this.#hold(member, at);
    this.#horizon = all ? Number.POSITIVE_INFINITY : (page.at(-1)?.at ?? this.#horizon);
  }

  /** `undefined` removes the timer. */
  set(member: string, at: number | undefined): void {
    this.#undo.push({ member, at: this.#held.get(member) });
    this.#put(member, at);
  }

  next(): QueuedTimer | undefined {
    for (let top = this.#heap.peek(); top; top = this.#heap.peek()) {
      if (this.#held.get(top.member) === top.at) return top;
      this.#heap.pop();
    }
    return undefined;
  }

  /** The timers up to a time, at most so many, in no order. */
  due(until: number, count: number): readonly QueuedTimer[] {
    const found: QueuedTimer[] = [];
    for (let top = this.next(); top && top.at <= until && found.length < count; top = this.next()) {
      found.push(top);
      this.#heap.pop();
    }
    for (const timer of found) this.#heap.push(timer);
    return found;
  }

  /** Keeps what was set since the last `accept` or `discard`. */
  accept(): void {
    this.#undo.length = 0;
    if (this.#held.size > maxHeld) this.#letGo();
  }

  /** Undoes what was set since the last `accept` or `discard`. */
  discard(): void {
    for (const { member, at } of this.#undo.splice(0).reverse()) this.#put(member, at);
  }

  #put(member: string, at: number | undefined): void {
    if (at === undefined || at >= this.#horizon) {
      this.#held.delete(member);
      return;
    }
    this.#hold(member, at);
  }

  #hold(member: string, at: number): void {
    if (this.#held.get(member) === at) return;
    this.#held.set(member, at);
    this.#heap.push({ member, at });
  }

  #letGo(): void {
    const sorted = [...this.#held].sort(([, a], [, b]) => a - b);
    this.#horizon = nth(sorted, sorted.length >> 1)[1];
    this.#heap.clear();
    for (const [member, at] of sorted) {
      if (at >= this.#horizon) this.#held.delete(member);
      else this.#heap.push({ member, at });
    }
  }
}
