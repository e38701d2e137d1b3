import type { WindowShape } from "../plan/window.ts";
import type { Aggregation } from "./aggregation.ts";
import { type Added, noPanes, type Pane, type Windows } from "./windows.ts";

/** Values gathered from `start` on, for the width of a slice. */
type Slice = [start: number, gathered: unknown[]];

interface AlignedState {
  /** Windows that end up to here were handed on. */
  closed: number;
  /** In rising order; no two with the same start. A window is some slices side by side, so that a value is added once. */
  readonly slices: Slice[];
}

/** Windows of `sizeMs`, one beginning each `hopMs`, from `offsetMs` on. They take a value as long as the last window that it falls in is open. */
export function alignedWindows(
  { sizeMs, hopMs, offsetMs }: Extract<WindowShape, { kind: "aligned" }>,
  aggregation: Aggregation,
): Windows<AlignedState> {
  const width = greatestCommonDivisor(sizeMs, hopMs);
  const startOf = (time: number, step: number) => Math.floor((time - offsetMs) / step) * step + offsetMs;
  /** The earliest window that holds a slice, and the latest. */
  const firstStart = (slice: number) => startOf(slice - sizeMs, hopMs) + hopMs;
  const lastStart = (slice: number) => startOf(slice, hopMs);
  const isDone = (slice: number, watermark: number) => lastStart(slice) + sizeMs <= watermark;
  /** The earliest window that holds a slice and was not handed on. */
  const nextStart = (slice: number, closed: number) => Math.max(firstStart(slice), startOf(closed - sizeMs, hopMs) + hopMs);

  return {
    init: (watermark) => ({ closed: watermark, slices: [] }),

    copy: ({ closed, slices }) => ({ closed, slices: slices.map(([start, gathered]) => [start, aggregation.copy(gathered)]) }),

    add(state, value, moment, watermark): Added {
      const start = startOf(moment.time, width);
      if (isDone(start, watermark)) return { kind: "late" };
      const slice = sliceOf(state, start);
      aggregation.add(slice[1], value, moment);
      return { kind: "added", retracted: noPanes, at: start };
    },

    changed(state, slice) {
      const panes: Pane[] = [];
      for (let start = nextStart(slice, state.closed); start <= slice; start += hopMs) panes.push(paneAt(state, start));
      return panes;
    },

    close(state, watermark) {
      const [oldest] = state.slices;
      if (!oldest || nextStart(oldest[0], state.closed) + sizeMs > watermark) {
        state.closed = Math.max(state.closed, watermark);
        return noPanes;
      }
      const panes: Pane[] = [];
      let closed = state.closed;
      for (const [slice] of state.slices) {
        for (let start = nextStart(slice, closed); start <= slice && start + sizeMs <= watermark; start += hopMs) {
          panes.push(paneAt(state, start));
          closed = start + sizeMs;
        }
      }
      state.closed = Math.max(state.closed, watermark);
      const kept = state.slices.findIndex(([slice]) => !isDone(slice, watermark));
      state.slices.splice(0, kept < 0 ? state.slices.length : kept);
      return panes;
    },

    closesAt({ closed, slices: [oldest] }) {
      return oldest && nextStart(oldest[0], closed) + sizeMs;
    },
  };

  function sliceOf({ slices }: AlignedState, start: number): Slice {
    let at = slices.length;
    while (at > 0 && (slices[at - 1] as Slice)[0] > start) at--;
    const known = slices[at - 1];
    if (known?.[0] === start) return known;
    const made: Slice = [start, aggregation.init()];
    slices.splice(at, 0, made);
    return made;
  }

  function paneAt({ slices }: AlignedState, start: number): Pane {
    const parts = slices.filter(([slice]) => slice >= start && slice < start + sizeMs).map(([, gathered]) => gathered);
    return { start, end: start + sizeMs, lastTime: start + sizeMs - 1, gathered: aggregation.mergeAll(parts) };
  }
}

const greatestCommonDivisor = (a: number, b: number): number => (b === 0 ? a : greatestCommonDivisor(b, a % b));
