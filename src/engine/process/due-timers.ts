import type { Timer } from "../../plan/timer.ts";
import type { KeyedState } from "../../state/keyed-state.ts";
import type { TimerQueue } from "../../state/timer-queue.ts";

export const clocks = ["event", "processing"] as const;

/** Up to where timers of either clock are due. */
export type Until = Readonly<Record<Timer["clock"], number>>;

/** Fetches timers: where memory holds none that is due, the store may. `idle` resolves when everything before is committed. */
export async function loadTimers(state: KeyedState, until: Until, idle: () => Promise<void>): Promise<void> {
  for (const stage of state.stages) {
    for (const clock of clocks) {
      if (!isMissing(state.queue(stage, clock), until[clock])) continue;
      await idle();
      await state.load(stage, clock);
    }
  }
}

export const mustLoad = (state: KeyedState, until: Until): boolean =>
  state.stages.some((stage) => clocks.some((clock) => isMissing(state.queue(stage, clock), until[clock])));

function isMissing(queue: TimerQueue, until: number): boolean {
  if (queue.horizon > until) return false;
  const next = queue.next();
  return !next || next.at > until;
}

/** Whether timers are due that have not fired. */
export const isMoreDue = (state: KeyedState, until: Until): boolean =>
  state.stages.some((stage) =>
    clocks.some((clock) => {
      const queue = state.queue(stage, clock);
      const next = queue.next();
      return (next !== undefined && next.at <= until[clock]) || queue.horizon <= until[clock];
    }),
  );
