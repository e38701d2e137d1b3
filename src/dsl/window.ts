import { days } from "../core/duration.ts";
import { ConfigError } from "../core/errors.ts";
import type { WindowPlan } from "../plan/stage.ts";
import { checkOptions, duration, flag, interval, type OptionsShape, optional, shift, text, zone } from "./check-options.ts";
import type { TypeHint } from "./hints.ts";

/** How the values of a key are cut into windows. */
export interface WindowSpec {
  /** The windows as data. */
  readonly plan: Pick<WindowPlan, "name" | "shape" | "allowedLatenessMs" | "early">;
}

/** What all windows have in common. */
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

/** Windows that begin at fixed times. */
export interface AlignedWindowOptions extends WindowOptions {
  /** Each window is as long, milliseconds. */
  readonly sizeMs: number;
  /**
   * When the first window begins, milliseconds after 1970 began in UTC; before that where it is negative. The others follow from it.
   * Days of a zone that is always 8 hours ahead of UTC have `-hours(8)`.
   *
   * @default 0
   */
  readonly offsetMs?: number;
}

/** Windows that follow each other without a gap. */
export interface TumblingOptions extends AlignedWindowOptions {
  /**
   * For windows of a day, `days(1)`: each is a day of this zone, from midnight to midnight, also where summer time makes it 23 or 25
   * hours long.
   *
   * @default none: days of UTC, moved by `offsetMs`
   */
  readonly timeZone?: string;
}

/** Windows that overlap: one begins at each hop. */
export interface HoppingOptions extends AlignedWindowOptions {
  /** One window begins each `hopMs`, milliseconds, no longer than `sizeMs`: a value is in `sizeMs / hopMs` of them. */
  readonly hopMs: number;
  /** It has no meaning here; its type says why. */
  readonly timeZone?: TypeHint<"Windows that overlap have no timeZone: it is for tumbling windows of a day">;
}

/** Windows that end when a key falls silent. */
export interface SessionOptions extends WindowOptions {
  /** Values of one session are no further apart, milliseconds. One that is just as far still belongs to it. */
  readonly gapMs: number;
}

const common: OptionsShape = { name: optional(text), allowedLatenessMs: optional(interval), early: optional(flag) };

/**
 * Windows side by side: each value is in one. They begin at multiples of `sizeMs` since the epoch, in UTC, unless `offsetMs` or `timeZone`
 * says otherwise.
 *
 * @throws ConfigError when an option is unknown or out of range
 * @example
 * ```ts
 * pipeline("failures").from(logins).keyBy((event) => event.data.userId)
 *   .window(tumbling({ sizeMs: minutes(5), allowedLatenessMs: seconds(30) }))
 *   .aggregate({ failures: count() })
 * ```
 */
export const tumbling = (options: TumblingOptions): WindowSpec => {
  check("tumbling", options, { sizeMs: duration, offsetMs: optional(shift), timeZone: optional(zone) });
  const { sizeMs, offsetMs, timeZone } = options;
  if (timeZone === undefined) return spec(options, aligned(options, sizeMs));
  if (sizeMs !== days(1)) {
    throw new ConfigError("config.invalid", `window: tumbling: timeZone is "${timeZone}", and sizeMs is ${sizeMs}`, {
      hint: "Only windows of a day follow the clock of a zone: sizeMs: days(1). Let a view add up windows of an hour for others: see 'Days of a zone' in docs/event-time.md.",
    });
  }
  if (offsetMs !== undefined) {
    throw new ConfigError("config.invalid", `window: tumbling: there are both a timeZone and an offsetMs`, {
      hint: "Leave out offsetMs: the days begin at the zone's midnights.",
    });
  }
  return spec(options, { kind: "day", timeZone });
};

/**
 * Windows that overlap, laid out as tumbling ones are. @throws ConfigError when an option is unknown or out of range
 *
 * @example
 * ```ts
 * hopping({ sizeMs: minutes(10), hopMs: minutes(1) }); // the last ten minutes, each minute
 * ```
 */
export const hopping = (options: HoppingOptions): WindowSpec => {
  check("hopping", options, {
    sizeMs: duration,
    hopMs: {
      ...duration,
      holds: (ms) => duration.holds(ms) && Number(ms) <= options.sizeMs,
      wants: "milliseconds, no more than sizeMs",
    },
    offsetMs: optional(shift),
  });
  return spec(options, aligned(options, options.hopMs));
};

/**
 * Windows that last as long as values keep coming. @throws ConfigError when an option is unknown or out of range
 *
 * @example
 * ```ts
 * session({ gapMs: minutes(30), allowedLatenessMs: minutes(1) });
 * ```
 */
export const session = (options: SessionOptions): WindowSpec => {
  check("session", options, { gapMs: duration });
  return spec(options, { kind: "session", gapMs: options.gapMs });
};

/** Windows that begin a hop earlier or later are the same ones. */
const aligned = ({ sizeMs, offsetMs = 0 }: AlignedWindowOptions, hopMs: number): WindowPlan["shape"] => ({
  kind: "aligned",
  sizeMs,
  hopMs,
  offsetMs: ((offsetMs % hopMs) + hopMs) % hopMs,
});

function spec({ name = "window", allowedLatenessMs = 0, early = false }: WindowOptions, shape: WindowPlan["shape"]): WindowSpec {
  return { plan: { name, shape, allowedLatenessMs, early } };
}

const check = (verb: string, options: WindowOptions, shape: OptionsShape): void =>
  checkOptions("window", { [verb]: options }, { [verb]: { of: { ...shape, ...common } } });
