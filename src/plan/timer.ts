/** A timer of a key: by event time it fires when the watermark reaches it, by processing time when the clock does. */
export interface Timer {
  readonly clock: "event" | "processing";
  /** Milliseconds since the epoch; by event time with what the stage allows for lateness. */
  readonly at: number;
  /** It has fired for this time: once is enough. */
  readonly fired?: true;
}

/** The timers of a key by their names. */
export type Timers = Readonly<Record<string, Timer>>;
