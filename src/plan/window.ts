import type { Callback } from "./callback.ts";

/** When a value happened, and the id of the event that it comes from: what orders values whose order of arrival means nothing. */
export interface Moment {
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** The id of the event. */
  readonly id: string;
}

/**
 * Gathers the values of a window. The result must not depend on the order in which values are added and gathered parts merged:
 * windows are exact because of it. What is gathered is kept as JSON.
 */
export interface AggregatorPlan {
  /** What it does, such as `count` or `top-k 3`: a window whose aggregators do something else has other states. */
  readonly does: string;
  readonly init: () => unknown;
  /** A copy that `add` and `merge` may change without changing the original. */
  readonly copy: Callback<[gathered: unknown], unknown>;
  /** May change what it is given, and returns it. */
  readonly add: Callback<[gathered: unknown, value: unknown, moment: Moment], unknown>;
  /** May change the first, and returns it. */
  readonly merge: Callback<[gathered: unknown, other: unknown], unknown>;
  readonly result: Callback<[gathered: unknown], unknown>;
}

/**
 * `aligned`: windows of `sizeMs`, one beginning each `hopMs`, `offsetMs` (less than that) after the epoch; tumbling ones where the first
 * two are equal. `day`: from one midnight of a zone to the next.
 * `session`: values of a key with no more than `gapMs` between one and the next.
 */
export type WindowShape =
  | { readonly kind: "aligned"; readonly sizeMs: number; readonly hopMs: number; readonly offsetMs: number }
  | { readonly kind: "day"; readonly timeZone: string }
  | { readonly kind: "session"; readonly gapMs: number };

/** What a window stage hands on. */
export interface WindowResult {
  /** Whose values they are. */
  readonly key: string;
  /** The beginning of the window; of a session, its first event. */
  readonly start: Date;
  /** Aligned windows and days end before this moment; a session ends with its last event, at this moment. */
  readonly end: Date;
  /** The results, by the names of the aggregators. */
  readonly values: Readonly<Record<string, unknown>>;
  /**
   * `early`: as far as it goes now. `final`: the watermark has passed, nothing will change. `retracted`: what was said early of a
   * session with this start is void, since an older event made it part of a longer one.
   */
  readonly pane: "early" | "final" | "retracted";
}
