import type { WindowPlan } from "../plan/stage.ts";
import { checkOptions, duration, flag, interval, optional, type Shape, text } from "./check-options.ts";

/** How the values of a key are cut into windows. */
export interface WindowSpec {
  readonly plan: Pick<WindowPlan, "name" | "shape" | "allowedLatenessMs" | "early">;
}

export interface WindowOptions {
  /** The stage's name: its states and counts are kept under it. Needed where a pipeline has several windows. @default "window" */
  readonly name?: string;
  /**
   * How much older than the newest event an event may be and still be taken, milliseconds. Windows stay open for as much longer.
   * @default 0, which asks for events in order
   */
  readonly allowedLatenessMs?: number;
  /** A result each time that a window changes, beside the final one: look at its `pane`. @default false */
  readonly early?: boolean;
}

export interface TumblingOptions extends WindowOptions {
  /** Each window is as long, milliseconds; they begin at multiples of it since the epoch, in UTC. */
  readonly sizeMs: number;
}

export interface HoppingOptions extends TumblingOptions {
  /** One window begins each `hopMs`, milliseconds, no longer than `sizeMs`: a value is in `sizeMs / hopMs` of them. */
  readonly hopMs: number;
}

export interface SessionOptions extends WindowOptions {
  /** Values of one session are no further apart, milliseconds. One that is just as far still belongs to it. */
  readonly gapMs: number;
}

const common: Shape = { name: optional(text), allowedLatenessMs: optional(interval), early: optional(flag) };

/**
 * Windows side by side: each value is in one.
 *
 * @throws ConfigError when an option is none, or out of range
 * @example
 * ```ts
 * pipeline("failures").from(logins).keyBy((event) => event.data.userId)
 *   .window(tumbling({ sizeMs: minutes(5), allowedLatenessMs: seconds(30) }))
 *   .aggregate({ failures: count() })
 * ```
 */
export const tumbling = (options: TumblingOptions): WindowSpec => {
  check("tumbling", options, { sizeMs: duration });
  return spec(options, { kind: "aligned", sizeMs: options.sizeMs, hopMs: options.sizeMs });
};

/** Windows that overlap. @throws ConfigError when an option is none, or out of range */
export const hopping = (options: HoppingOptions): WindowSpec => {
  check("hopping", options, {
    sizeMs: duration,
    hopMs: {
      ...duration,
      holds: (ms) => duration.holds(ms) && (ms as number) <= options.sizeMs,
      wants: "milliseconds, no more than sizeMs",
    },
  });
  return spec(options, { kind: "aligned", sizeMs: options.sizeMs, hopMs: options.hopMs });
};

/** Windows that last as long as values keep coming. @throws ConfigError when an option is none, or out of range */
export const session = (options: SessionOptions): WindowSpec => {
  check("session", options, { gapMs: duration });
  return spec(options, { kind: "session", gapMs: options.gapMs });
};

function spec({ name = "window", allowedLatenessMs = 0, early = false }: WindowOptions, shape: WindowPlan["shape"]): WindowSpec {
  return { plan: { name, shape, allowedLatenessMs, early } };
}

const check = (verb: string, options: WindowOptions, shape: Shape): void =>
  checkOptions("window", { [verb]: options }, { [verb]: { of: { ...shape, ...common } } });
