import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hours } from "../../../src/core/duration.ts";
import type { Aggregation } from "../../../src/stages/aggregation.ts";
import { alignedWindows } from "../../../src/stages/aligned-windows.ts";
import { dayWindows } from "../../../src/stages/day-windows.ts";
import { join } from "../../../src/stages/join.ts";
import type { Outcomes, StateAndTimers } from "../../../src/stages/run.ts";
import { sessionWindows } from "../../../src/stages/session-windows.ts";
import type { Pane, Windows } from "../../../src/stages/windows.ts";

/** The values of a window, as they are. */
const values: Aggregation = {
  init: () => [[]],
  copy: ([all]) => [[...(all as unknown[])]],
  add: (gathered, value) => void (gathered[0] as unknown[]).push(value),
  mergeAll: (parts) => [parts.flatMap(([all]) => all as unknown[])],
  result: ([all]) => ({ all }),
};

/** So few moments that nearly every one is an edge of some window: a value, and how far the watermark lies behind the newest. */
const moments = (until: number) =>
  fc.array(fc.record({ time: fc.nat(until), behind: fc.nat(6), looks: fc.boolean() }), { minLength: 1, maxLength: 25 });

interface Window {
  readonly start: number;
  readonly end: number;
  readonly all: readonly number[];
}

const forEver = Date.UTC(2100, 0, 1);

const seen = (panes: readonly Pane[]): readonly Window[] =>
  panes.map(({ start, end, gathered }) => ({ start, end, all: (gathered[0] as number[]).toSorted((a, b) => a - b) }));

/** A plain recount of one key, asked in the order in which a stage asks its windows. */
interface Recount {
  close(watermark: number): readonly Window[];
  isLate(time: number, watermark: number): boolean;
  take(time: number, watermark: number): void;
  closesAt(): number | undefined;
}

function walk<State>(
  windows: Windows<State>,
  steps: readonly { readonly time: number; readonly behind: number; readonly looks: boolean }[],
  model: Recount,
) {
  let newest = 0;
  let watermark = Number.NEGATIVE_INFINITY;
  let state = windows.init(-100);
  for (const { time, behind, looks } of steps) {
    newest = Math.max(newest, time);
    watermark = Math.max(watermark, newest - behind);
    // A timer may fire before the value comes, or not.
    if (looks) expect(seen(windows.close(state, watermark))).toEqual(model.close(watermark));
    state = windows.copy(state);
    expect(seen(windows.close(state, watermark))).toEqual(model.close(watermark));
    const isLate = model.isLate(time, watermark);
    expect([time, watermark, windows.add(state, time, { id: "e", time }, watermark).kind]).toEqual([
      time,
      watermark,
      isLate ? "late" : "added",
    ]);
    if (!isLate) model.take(time, watermark);
    expect(windows.closesAt(state)).toBe(model.closesAt());
  }
  expect(seen(windows.close(state, forEver))).toEqual(model.close(forEver));
}

const lowest = (ends: readonly number[]): number | undefined => (ends.length === 0 ? undefined : Math.min(...ends));

describe("at the very edge", () => {
  it.each([
    [4, 4, 0],
    [6, 3, 0],
    [6, 4, 0],
    [5, 5, 2],
    [6, 4, 3],
  ])(
    "a window of %i that begins every %i from %i on holds its start and not its end, and is final when the watermark has reached it",
    (sizeMs, hopMs, offsetMs) => {
      const startsOf = (time: number) => {
        const starts: number[] = [];
        for (let start = time; start > time - sizeMs; start--) if ((start - offsetMs) % hopMs === 0) starts.unshift(start);
        return starts;
      };
      const recount = (): Recount => {
        const open = new Map<number, number[]>();
        return {
          close(watermark) {
            const over = [...open.keys()].filter((start) => start + sizeMs <= watermark).toSorted((a, b) => a - b);
            return over.map((start) => {
              const all = (open.get(start) as number[]).toSorted((a, b) => a - b);
              open.delete(start);
              return { start, end: start + sizeMs, all };
            });
          },
          isLate: (time, watermark) => startsOf(time).every((start) => start + sizeMs <= watermark),
          take(time, watermark) {
            for (const start of startsOf(time))
              if (start + sizeMs > watermark) open.set(start, [...(open.get(start) ?? []), time]);
          },
          closesAt: () => lowest([...open.keys()].map((start) => start + sizeMs)),
        };
      };
      fc.assert(
        fc.property(moments(30), (steps) =>
          walk(alignedWindows({ kind: "aligned", sizeMs, hopMs, offsetMs }, values), steps, recount()),
        ),
        { numRuns: 300 },
      );
    },
  );

  it.each([
    ["begins", Date.UTC(2026, 2, 28)],
    ["ends", Date.UTC(2026, 9, 24)],
  ])("a day of a zone holds its first moment and not that of the next, where summer time %s", (_, begin) => {
    const date = new Intl.DateTimeFormat("sv-SE", { timeZone: "Europe/Berlin", dateStyle: "short" });
    const dates = new Map(Array.from({ length: 4 * 24 }, (_, i) => [begin + hours(i), date.format(begin + hours(i))] as const));
    const dayOf = (time: number) => [...dates.keys()].filter((one) => dates.get(one) === dates.get(time));
    const endOf = (time: number) => (dayOf(time).at(-1) as number) + hours(1);
    const recount = (): Recount => {
      let open: readonly number[] = [];
      return {
        close(watermark) {
          const over = open.filter((time) => endOf(time) <= watermark);
          open = open.filter((time) => !over.includes(time));
          const ends = [...new Set(over.map(endOf))].toSorted((a, b) => a - b);
          return ends.map((end) => ({
            start: dayOf(end - hours(1))[0] as number,
            end,
            all: over.filter((time) => endOf(time) === end).toSorted((a, b) => a - b),
          }));
        },
        isLate: (time, watermark) => endOf(time) <= watermark,
        take(time) {
          open = [...open, time];
        },
        closesAt: () => lowest(open.map(endOf)),
      };
    };
    // Whole days: only of those are all moments known.
    const moments = fc.record({ time: fc.integer({ min: 24, max: 70 }), behind: fc.nat(60), looks: fc.boolean() });
    fc.assert(
      fc.property(fc.array(moments, { minLength: 1, maxLength: 25 }), (steps) =>
        walk(
          dayWindows({ kind: "day", timeZone: "Europe/Berlin" }, values),
          steps.map(({ time, behind, looks }) => ({ time: begin + hours(time), behind: hours(behind), looks })),
          recount(),
        ),
      ),
      { numRuns: 200 },
    );
  });

  it("a session goes on after exactly its gap, and is final one moment later", () => {
    const gapMs = 3;
    const sessionsOf = (taken: readonly number[]) => {
      const found: number[][] = [];
      for (const time of taken.toSorted((a, b) => a - b)) {
        const last = found.at(-1);
        if (last && time - (last.at(-1) as number) <= gapMs) last.push(time);
        else found.push([time]);
      }
      return found.map((all) => ({ start: all[0] as number, end: all.at(-1) as number, all }));
    };
    const recount = (): Recount => {
      let taken: readonly number[] = [];
      const open = () => sessionsOf(taken);
      return {
        close(watermark) {
          const over = open().filter(({ end }) => end + gapMs < watermark);
          taken = taken.filter((time) => !over.some(({ all }) => all.includes(time)));
          return over;
        },
        isLate: (time, watermark) =>
          time + gapMs < watermark && open().every(({ start, end }) => time < start - gapMs || time > end + gapMs),
        take(time) {
          taken = [...taken, time];
        },
        closesAt: () => lowest(open().map(({ end }) => end + gapMs + 1)),
      };
    };
    fc.assert(
      fc.property(moments(30), (steps) => walk(sessionWindows({ kind: "session", gapMs } as never, values), steps, recount())),
      { numRuns: 300 },
    );
  });

  it("a join pairs what lies exactly its reach apart, waits exactly as long, and finds late what comes a moment after that", () => {
    const [beforeMs, afterMs] = [2, 4];
    const reachOf = (side: string) => (side === "left" ? afterMs : beforeMs);
    const event = fc.record({ side: fc.constantFrom("left", "right"), time: fc.nat(20), behind: fc.nat(8), fires: fc.boolean() });
    fc.assert(
      fc.property(fc.array(event, { minLength: 1, maxLength: 25 }), (events) => {
        const pairs: string[] = [];
        const wanted: string[] = [];
        let held: StateAndTimers | undefined;
        let fate = "";
        const sideOf = (side: string) => (value: unknown) => ((value as { side: string }).side === side ? value : undefined);
        const stage = join(
          {
            kind: "join",
            name: "near",
            key: () => "k",
            left: sideOf("left"),
            right: sideOf("right"),
            beforeMs,
            afterMs,
            allowedLatenessMs: 0,
          } as never,
          {
            behindMs: 0,
            next: (pair) => {
              const { left, right } = pair as { left: { value: { n: number } }; right: { value: { n: number } } };
              pairs.push(`${left.value.n} ${right.value.n}`);
            },
          },
        );
        const taken: { readonly side: string; readonly time: number; readonly n: number }[] = [];
        let newest = 0;
        let watermark = Number.NEGATIVE_INFINITY;
        for (const [n, { side, time, behind, fires }] of events.entries()) {
          newest = Math.max(newest, time);
          watermark = Math.max(watermark, newest - behind);
          const outcomes = {
            moment: { id: `e${n}`, time },
            watermark,
            states: {
              get: () => held,
              set: (_: string, __: string, after: StateAndTimers | undefined) => {
                held = after;
              },
            },
            keep: () => {
              fate = "kept";
            },
            late: () => {
              fate = "late";
            },
            completed: () => outcomes,
          } as unknown as Outcomes;
          const timer = held?.timers["part"];
          if (fires && timer && timer.at <= watermark) void stage.fire({ key: "k", timer: "part", at: timer.at }, outcomes);
          void stage.run({ side, n }, outcomes, "k");
          expect(fate).toBe(time + reachOf(side) < watermark ? "late" : "kept");
          if (fate === "late") continue;
          for (const other of taken) {
            if (other.side === side || other.time + reachOf(other.side) < watermark) continue;
            const [left, right] = side === "left" ? [{ time, n }, other] : [other, { time, n }];
            const apart = right.time - left.time;
            if (apart >= -beforeMs && apart <= afterMs) wanted.push(`${left.n} ${right.n}`);
          }
          taken.push({ side, time, n });
          const ends = taken.map((one) => one.time + reachOf(one.side)).filter((end) => end >= watermark);
          expect(held?.timers["part"]?.at).toBe(ends.length === 0 ? undefined : Math.min(...ends) + 1);
        }
        expect(pairs.toSorted()).toEqual(wanted.toSorted());
      }),
      { numRuns: 500 },
    );
  });
});
