/** A row that the target refused for good. */
export interface Rejected {
  /** Its index among the rows of the write. */
  readonly row: number;
  /** Short, and the same for the same fault: reasons are counted by their text. It holds no value of the row. */
  readonly reason: string;
}

export interface WriteResult {
  readonly rejected: readonly Rejected[];
  /** What else the sink has counted, such as rows that were there already. */
  readonly counts?: Readonly<Record<string, number>>;
}

/** Where rows go. Several writers may call `write` at once; each call settles by itself. */
export interface Sink {
  /**
   * Resolves when every row is either confirmed by the target or rejected for good; retries everything else for as long as the
   * signal lives; rejects with ConfigError when the pipeline has to stop, or with the abort reason.
   * `bytes` is an estimate of the rows' size. `traces`: the traceparents of the events behind the rows, by the rows' index; none where
   * no event carries one.
   */
  write(rows: readonly unknown[], bytes: number, traces?: ReadonlyMap<number, string>): Promise<WriteResult>;
  /** Asks a sink that gathers rows to wait for no more: those written so far go out as soon as none is under way. */
  flush?(): void;
  /** Rows written and not yet settled. */
  readonly inFlightRows: number;
  /** Drains; may be called twice. */
  close(): Promise<void>;
}
