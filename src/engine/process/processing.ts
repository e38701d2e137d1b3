import type { Entry } from "../../bus/port.ts";
import type { RetryableError } from "../../core/errors.ts";
import type { KeyedState } from "../../state/keyed-state.ts";
import type { NameDraft } from "../../state/known-names.ts";
import type { Batch } from "../read/batch.ts";
import type { Opening } from "./open-entries.ts";
import type { BatchResults } from "./results.ts";
import type { UntilDecidedDeps } from "./until-decided.ts";

export interface ProcessContext extends Omit<UntilDecidedDeps, "about"> {
  /** What a batch has to do with others: needed where stages keep state. */
  readonly keyed: KeyedContext | undefined;
  /** Opens the names of the events that are taken; none where they are not remembered. */
  readonly names: () => Promise<NameDraft | undefined>;
}

export interface KeyedContext {
  readonly state: KeyedState;
  /** Resolves when everything before is committed. */
  readonly idle: () => Promise<void>;
  /** The entries that were read behind these, for as long as these wait. They are taken when their turn comes. */
  readonly behind: () => Promise<readonly Entry[]>;
}

/** A pipeline, ready for the batches of one partition. */
export interface CompiledProcess extends Omit<Opening, "now"> {
  readonly pipeline: string;
  /** The destinations that are streams: they are written by the commit. */
  readonly derives: ReadonlySet<string>;
  readonly about: UntilDecidedDeps["about"];
}

/** The same, with the names opened. */
export type OpenContext = Omit<ProcessContext, "names"> & { readonly names: NameDraft | undefined };

/** A batch, or as much of it as one commit can carry, is through the stages. */
export interface Processed {
  readonly kind: "processed";
  readonly results: BatchResults;
  /** Events whose stages have not answered yet: each resolves when its rows are in the results. */
  readonly late: readonly Promise<void>[];
  /** More timers are due than one commit should carry. */
  readonly moreDue: boolean;
}

export type ProcessResult =
  | Processed
  /** A stage asks to try the batch again. Nothing of it is kept. */
  | { readonly kind: "again"; readonly error: RetryableError };

/**
 * Takes a batch through decoding, the gate and the stages. A bad entry or event never holds its siblings up: it becomes a dead letter
 * with its reason. An event that a stage asks to try again is tried by itself, and the events of its key wait; other keys go on.
 *
 * Rejects with a ConfigError (the pipeline stops), or with the reason of the signal.
 */
export type ProcessBatch = (batch: Batch, context: ProcessContext) => Promise<ProcessResult>;
