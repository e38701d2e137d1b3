import type { Clock } from "../core/clock.ts";
import { seconds } from "../core/duration.ts";
import type { Logger } from "../core/log.ts";
import { Outage } from "../core/outage.ts";
import { bucketsOf } from "../plan/rollup.ts";
import type { RollupPlan } from "../plan/table.ts";
import type { Sink, WriteResult } from "../sinks/port.ts";
import { type RetryDeps, retrying } from "../sinks/retrying.ts";
import type { Telemetry } from "../telemetry/port.ts";
import type { DirtyMarks } from "./port.ts";

export interface MarkingDeps {
  readonly marks: DirtyMarks;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends all waiting. */
  readonly signal: AbortSignal;
  readonly random?: () => number;
  /** @default nobody is told */
  readonly telemetry?: Telemetry;
}

interface Changed {
  readonly rollup: string;
  readonly starts: readonly number[];
}

const retry = { initialMs: 100, maxMs: seconds(5) } as const;

/**
 * The sink of a table that rollups read: once the rows are confirmed, and before the writer hears of it and acks, their buckets are
 * marked. Marked any earlier, a bucket could be counted, and be clean, without them. A crash between the two loses no mark: what was
 * not acked is written again. Rows that were rejected mark their buckets too, which only has them counted once more.
 */
export function markingSink(sink: Sink, rollups: readonly RollupPlan[], deps: MarkingDeps): Sink {
  const { marks, clock, logger, signal, telemetry, random = Math.random } = deps;
  const texts = {
    began: "buckets of rollups could not be marked; it is tried again",
    over: "buckets of rollups are marked again",
  };
  const retries: RetryDeps = {
    ...{ clock, random, signal, outage: new Outage(texts, { clock, logger }) },
    onRetry: (retry) => telemetry?.retry?.({ of: "call", call: "marks of rollups", ...retry }),
  };
  const mark = ({ rollup, starts }: Changed) => retrying(retry, retries, () => marks.mark(rollup, starts));
  const changedBy = (rows: readonly unknown[]): readonly Changed[] =>
    rollups.map((rollup) => ({ rollup: rollup.name, starts: bucketsOf(rollup, rows) }));
  const markWith = (changed: readonly Changed[], result: WriteResult) => Promise.all(changed.map(mark)).then(() => result);
  return {
    // Nothing that waits for the confirmation may keep the rows in memory: so no async function, and no closure over them.
    write(rows, bytes, traces) {
      const changed = changedBy(rows);
      return sink.write(rows, bytes, traces).then((result) => markWith(changed, result));
    },
    flush: () => sink.flush?.(),
    get inFlightRows() {
      return sink.inFlightRows;
    },
    close: () => sink.close(),
  };
}
