import { zoneDays } from "../core/zone-days.ts";
import type { WindowShape } from "../plan/window.ts";
import type { Aggregation } from "./aggregation.ts";
import type { Added, Pane, Windows } from "./windows.ts";

type Day = [start: number, gathered: unknown[]];

/** In rising order; no two with the same start. */
type DayState = Day[];

/** Windows side by side, each a day of a zone. */
export function dayWindows({ timeZone }: Extract<WindowShape, { kind: "day" }>, aggregation: Aggregation): Windows<DayState> {
  const dayOf = zoneDays(timeZone);
  const endOf = ([start]: Day): number => dayOf(start).end;
  const paneOf = (day: Day): Pane => {
    const [start, gathered] = day;
    const end = endOf(day);
    return { start, end, lastTime: end - 1, gathered };
  };

  return {
    init: () => [],

    copy: (open) => open.map(([start, gathered]) => [start, aggregation.copy(gathered)]),

    add(open, value, moment, watermark): Added {
      const { start, end } = dayOf(moment.time);
      if (end <= watermark) return { kind: "late" };
      aggregation.add(gatheredOn(open, start), value, moment);
      return { kind: "added", retracted: [], at: start };
    },

    changed: (open, at) => open.filter(([start]) => start === at).map(paneOf),

    close(open, watermark) {
      const kept = open.findIndex((day) => endOf(day) > watermark);
      return open.splice(0, kept < 0 ? open.length : kept).map(paneOf);
    },

    closesAt: ([oldest]) => oldest && endOf(oldest),
  };

  function gatheredOn(open: DayState, start: number): unknown[] {
    const later = open.findIndex((day) => day[0] >= start);
    const at = later < 0 ? open.length : later;
    const known = open[at];
    if (known?.[0] === start) return known[1];
    const made: Day = [start, aggregation.init()];
    open.splice(at, 0, made);
    return made[1];
  }
}
