/** A workflow that Temporal starts again and again. */
export interface SchedulePlan {
  readonly kind: "schedule";
  readonly name: string;
  readonly workflow: string;
  readonly taskQueue: string;
  /** What each run is given. */
  readonly input?: unknown;
  readonly when:
    | { readonly kind: "every"; readonly ms: number }
    | { readonly kind: "daily"; readonly hour: number; readonly minute: number };
  /** What becomes of a run that is due while the one before still runs: it is left out, or waits for its turn. */
  readonly overlap: "skip" | "wait";
  /** Runs that were due while Temporal was away are made up for, this far back, milliseconds. */
  readonly catchUpMs: number;
  /** Nothing is started any more once a run has failed, until an operator unpauses it. */
  readonly pauseOnFailure: boolean;
}
