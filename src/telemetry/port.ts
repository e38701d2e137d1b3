/** Where a batch was read, which is what one read has brought: a partition, for a pipeline. */
export interface BatchPlace {
  /** The name of the pipeline. */
  readonly pipeline: string;
  /** The partition's name, such as `logins/07`. */
  readonly partition: string;
  /** `main`: the log of the partition; `replay`: what is replayed to this pipeline alone. */
  readonly log: "main" | "replay";
}

/** A read has brought entries. */
export interface ReadReport extends BatchPlace {
  /** `pending`: they were given out before, and not acked. */
  readonly from: "pending" | "new";
  /** How many entries came. */
  readonly entries: number;
  /** How many events those hold, as far as they say. */
  readonly events: number;
  /** What the entries measure as they are stored, bytes. */
  readonly bytes: number;
  /** From the call to its answer, milliseconds. */
  readonly durationMs: number;
  /** How long ago the oldest of them was stored, by the clock of this process, milliseconds; 0 where its id tells no time. */
  readonly lagMs: number;
}

/** A batch has gone through the stages. */
export interface ProcessReport extends BatchPlace {
  /** How many entries are through. */
  readonly entries: number;
  /** Events of the entries, and results that no single event has caused, such as a window's. */
  readonly events: number;
  /** What the entries measure, inflated, bytes. */
  readonly bytes: number;
  /** Rows for sinks, so far. */
  readonly rows: number;
  /** Events for other streams, so far. */
  readonly derived: number;
  /** How many dead letters they have become, so far. */
  readonly deadLetters: number;
  /** Events that a stage has still to answer for: their rows come later. */
  readonly waiting: number;
  /** How long the stages took, milliseconds. */
  readonly durationMs: number;
}

/** A sink has confirmed or refused each row that it was given in one go. */
export interface ConfirmReport extends BatchPlace {
  /** The name of the destination in its pipeline; `to` where there is one. */
  readonly destination: string;
  /** How many rows it was given. */
  readonly rows: number;
  /** How many of them it has refused: they are dead letters. */
  readonly rejected: number;
  /** What the entries of the batch measure, inflated, bytes. */
  readonly bytes: number;
  /** From the call to its answer with all tries, milliseconds. */
  readonly durationMs: number;
}

/** A batch is committed: its entries are acked, and its outcomes are in the ledger. */
export interface CommitReport extends BatchPlace {
  /** How many entries are acked. */
  readonly entries: number;
  /** Events of the entries, and results that no single event has caused. */
  readonly events: number;
  /** What the entries measure, inflated, bytes. */
  readonly bytes: number;
  /** What was added to the ledger, in events: `delivered`, `dropped:<reason>`, `deadLettered:<reason>`, `duplicate`, `late` and others. */
  readonly counts: Readonly<Record<string, number>>;
  /** How many dead letters were committed with it. */
  readonly deadLetters: number;
  /** Frames of derived events. */
  readonly derivedFrames: number;
  /** From the call to its answer with all tries, milliseconds. */
  readonly durationMs: number;
  /** Since the entries were read, milliseconds. */
  readonly sinceReadMs: number;
  /** How long ago the oldest entry was stored, by the clock of this process, milliseconds; 0 where its id tells no time. */
  readonly lagMs: number;
}

/** The lease of a partition was taken, given back, or lost: another worker may have it. */
export interface LeaseReport extends Omit<BatchPlace, "log"> {
  readonly kind: "taken" | "released" | "lost";
  /** How often the lease was taken, by whomever. */
  readonly epoch: number;
}

/** A guard has held something up. `of` names what it guards, such as `stage 'scoring/look-up'`, or what it calls. */
export type GuardReport =
  | {
      readonly kind: "breaker-opened";
      /** What is called. */
      readonly of: string;
      /** How often it had failed in a row. */
      readonly failures: number;
      /** For how long nothing is called, milliseconds. */
      readonly forMs: number;
    }
  | {
      readonly kind: "breaker-closed";
      /** What is called again. */
      readonly of: string;
      /** How long it was open, milliseconds. */
      readonly lastedMs: number;
    }
  | {
      readonly kind: "limited";
      /** What the rate limit is of. */
      readonly of: string;
      /** How much it has let through: events, or calls. */
      readonly amount: number;
      /** How long that had to wait, milliseconds. */
      readonly waitedMs: number;
    }
  | {
      readonly kind: "timed-out";
      /** The stage whose call was given up. */
      readonly of: string;
      /** How long a call may take, milliseconds. */
      readonly limitMs: number;
    };

/**
 * Something has failed in a way that may pass, and is tried again. `of` says what: a `read`, a whole `batch` in the stages, an `event` whose
 * key waits, a `commit`, the `outbox` of derived events, or a `call` of a stage behind guards or of a sink.
 */
export type RetryReport = {
  /** How often it has failed in a row. */
  readonly failed: number;
  /** How long it waits before the next try, milliseconds. */
  readonly waitMs: number;
  /** The code of the error, such as `service.unreachable`. */
  readonly code: string;
} & (
  | { readonly of: "read" | "batch" | "commit" | "outbox"; readonly pipeline: string; readonly partition: string }
  | { readonly of: "event"; readonly pipeline: string; readonly partition: string; readonly event: string }
  | { readonly of: "call"; readonly call: string }
);

/** A dead letter was committed. */
export interface DeadLetterReport extends BatchPlace {
  /** The id of its entry; empty where no single event has caused it. */
  readonly entry: string;
  /** The place of the event in its frame, from 0. */
  readonly index: number;
  /** Where it was set aside: a stage's name, `decode`, `admit`, or `sink:` and a destination. */
  readonly stage: string;
  /** A short word that counts are kept under. */
  readonly reason: string;
  /** A sentence for people. */
  readonly error: string;
  /** The type of the event; empty where that is not known. */
  readonly type: string;
  /** The id of the event. */
  readonly eventId: string;
}

/** Something was made of an event that carries a `traceparent`, and is where it belongs: a row, a workflow's input or a derived event. */
export interface TraceReport extends BatchPlace {
  /** Of the event, as its producer gave it. */
  readonly traceparent: string;
  /** The name of the destination in its pipeline; `to` where there is one. */
  readonly destination: string;
  /** Since the event was read, milliseconds: a span ends now, and began then. */
  readonly durationMs: number;
}

/**
 * Is told what a worker does. Each member is optional: what is left out is not told, and costs nothing. A call is made between two reads,
 * so it must not take long; what it throws is logged, and changes nothing.
 *
 * The way of a batch is `read`, `processed`, `confirmed` (once for each sink and go) and `committed`.
 *
 * @example
 * ```ts
 * const lag = new Map<string, number>();
 * const telemetry: Telemetry = {
 *   committed: ({ partition, lagMs }) => lag.set(partition, lagMs),
 *   deadLetter: ({ stage, reason, eventId }) => console.warn(`${stage}: ${reason} (${eventId})`),
 * };
 * ```
 */
export interface Telemetry {
  /** A read has brought entries. */
  readonly read?: ((report: ReadReport) => void) | undefined;
  /** A batch has gone through the stages. */
  readonly processed?: ((report: ProcessReport) => void) | undefined;
  /** A sink has confirmed or refused its rows. */
  readonly confirmed?: ((report: ConfirmReport) => void) | undefined;
  /** A batch is committed. */
  readonly committed?: ((report: CommitReport) => void) | undefined;
  /** A lease was taken, given back or lost. */
  readonly lease?: ((report: LeaseReport) => void) | undefined;
  /** A guard holds something up. */
  readonly guard?: ((report: GuardReport) => void) | undefined;
  /** Something is tried again. */
  readonly retry?: ((report: RetryReport) => void) | undefined;
  /** A dead letter was committed. */
  readonly deadLetter?: ((report: DeadLetterReport) => void) | undefined;
  /** Something was made of an event that carries a `traceparent`. */
  readonly traced?: ((report: TraceReport) => void) | undefined;
}

/** Tells nobody. */
export const noTelemetry: Telemetry = {};
