import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type QueuedTimer, TimerQueue } from "../../../src/state/timer-queue.ts";

const byTime = (a: QueuedTimer, b: QueuedTimer) => a.at - b.at || (a.member < b.member ? -1 : 1);

/** The store behind a queue: what is committed. */
class Store {
  readonly timers = new Map<string, number>();
  page(from: number, count: number): readonly QueuedTimer[] {
    return [...this.timers]
      .map(([member, at]) => ({ member, at }))
      .filter(({ at }) => at >= from)
      .sort(byTime)
      .slice(0, count);
  }
}

/** Rings everything up to a time, and fetches what is missing. */
function fire(queue: TimerQueue, store: Store, { until, page }: { readonly until: number; readonly page: number }) {
  const fired: QueuedTimer[] = [];
  for (;;) {
    const next = queue.next();
    if (next && next.at <= until) {
      fired.push(next);
      queue.set(next.member, undefined);
      store.timers.delete(next.member);
      queue.accept();
    } else if (queue.horizon <= until) {
      const found = store.page(queue.horizon, page);
      queue.load(found, found.length < page);
    } else return fired;
  }
}

describe("the queue of timers", () => {
  it("fires what the store holds, in its order, however little of it is in memory", () => {
    const change = fc.record({ member: fc.constantFrom(..."abcdefgh"), at: fc.option(fc.nat(50), { nil: undefined }) });
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 20 }),
        fc.array(fc.oneof(fc.record({ changes: fc.array(change, { maxLength: 8 }), discard: fc.boolean() }), fc.nat(60)), {
          maxLength: 12,
        }),
        fc.integer({ min: 1, max: 4 }),
        (before, steps, page) => {
          const store = new Store();
          const put = ({ member, at }: (typeof before)[number]) =>
            at === undefined ? store.timers.delete(member) : store.timers.set(member, at);
          before.forEach(put);
          const queue = new TimerQueue();
          const first = store.page(queue.horizon, page);
          queue.load(first, first.length < page);
          for (const step of steps) {
            if (typeof step === "number") {
              const wanted = store.page(Number.NEGATIVE_INFINITY, 100).filter(({ at }) => at <= step);
              const fired = fire(queue, store, { until: step, page });
              expect(fired.map(({ at }) => at)).toEqual(wanted.map(({ at }) => at));
              // Those of one time fire in any order.
              expect(fired.toSorted(byTime)).toEqual(wanted);
              continue;
            }
            for (const { member, at } of step.changes) queue.set(member, at);
            if (step.discard) queue.discard();
            else {
              queue.accept();
              step.changes.forEach(put);
            }
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it("leaves the later ones to the store when there are very many", () => {
    const store = new Store();
    const queue = new TimerQueue();
    queue.load([], true);
    for (let n = 0; n < 150_000; n++) {
      queue.set(`m${n}`, n % 1_000);
      store.timers.set(`m${n}`, n % 1_000);
    }
    queue.accept();
    expect(queue.horizon).toBeLessThan(1_000);
    expect(fire(queue, store, { until: 999, page: 10_000 })).toHaveLength(150_000);
    expect(store.timers.size).toBe(0);
  });

  it("looks ahead without firing", () => {
    const queue = new TimerQueue();
    queue.load([], true);
    for (const [member, at] of [
      ["c", 3],
      ["a", 1],
      ["b", 2],
    ] as const)
      queue.set(member, at);
    queue.set("b", 20);
    expect(queue.due(5, 10)).toEqual([
      { member: "a", at: 1 },
      { member: "c", at: 3 },
    ]);
    expect(queue.due(50, 1)).toEqual([{ member: "a", at: 1 }]);
    expect(queue.next()).toEqual({ member: "a", at: 1 });
  });
});
