import type { WindowShape } from "../plan/window.ts";
import type { Aggregation } from "./aggregation.ts";
import type { Added, Pane, Windows } from "./windows.ts";

type Session = [start: number, last: number, gathered: unknown[]];

/** In rising order, further from each other than the gap. */
type SessionState = Session[];

/** Values with no more than `gapMs` between one and the next. One that lies between two sessions makes them one. */
export function sessionWindows(
  { gapMs }: Extract<WindowShape, { kind: "session" }>,
  aggregation: Aggregation,
): Windows<SessionState> {
  const paneOf = ([start, last, gathered]: Session): Pane => ({ start, end: last, lastTime: last, gathered });

  return {
    init: () => [],

    copy: (sessions) => sessions.map(([start, last, gathered]) => [start, last, aggregation.copy(gathered)]),

    add(sessions, value, moment, watermark): Added {
      const { time } = moment;
      const from = sessions.findIndex(([, last]) => last + gapMs >= time);
      const first = from < 0 ? sessions.length : from;
      let until = first;
      while (until < sessions.length && (sessions[until] as Session)[0] - gapMs <= time) until++;
      const met = sessions.slice(first, until);
      if (met.length === 0 && time + gapMs < watermark) return { kind: "late" };
      const [oldest, newest] = [met[0], met.at(-1)];
      const start = Math.min(time, oldest?.[0] ?? time);
      const retracted = met.filter(([other]) => other !== start).map(paneOf);
      const gathered = oldest ? [...aggregation.mergeAll(met.map((session) => session[2]))] : aggregation.init();
      aggregation.add(gathered, value, moment);
      const session: Session = [start, Math.max(time, newest?.[1] ?? time), gathered];
      sessions.splice(first, met.length, session);
      return { kind: "added", retracted, at: time };
    },

    changed: (sessions, at) => sessions.filter(([start, last]) => start <= at && at <= last).map(paneOf),

    close(sessions, watermark) {
      // A value at the very end of the gap still belongs to the session, and may come as long as the watermark has not passed it.
      const open = sessions.findIndex(([, last]) => last + gapMs >= watermark);
      return sessions.splice(0, open < 0 ? sessions.length : open).map(paneOf);
    },

    closesAt: ([oldest]) => oldest && oldest[1] + gapMs + 1,
  };
}
