/** A way to read events out of lines of text, for `headrace send --from <name>`. */
export interface FormatPlan {
  readonly kind: "format";
  readonly name: string;
  readonly reader: (context: LineContext) => LineReader;
}

/** What a line format may know beside the line. */
export interface LineContext {
  /** The year of the first line, for stamps without one. */
  readonly year?: number;
  /** The zone of stamps that tell none, by its IANA name (`Europe/Berlin`). @default UTC */
  readonly zone?: string;
  /** When the file was last written; for a pipe, when it was opened. */
  readonly now: Date;
  /** A stable event id for a text. */
  readonly idOf: (text: string) => string;
}

/** An event that was read out of lines. */
export interface LineEvent {
  /** 1 to 128 characters. */
  readonly id: string;
  /** One of the types that the stream carries. */
  readonly type: string;
  /** When it happened. */
  readonly time: Date;
  /** As the schema of the type takes it. */
  readonly data: Readonly<Record<string, unknown>>;
  /** Names the event together with its id. @default the name of the format, which is no part of the name */
  readonly source?: string | undefined;
  /** W3C trace context. */
  readonly traceparent?: string | undefined;
  /** Of the event's schema, where it was written for another one than the newest. */
  readonly version?: number | undefined;
}

/**
 * What a line is. `settled` are events of earlier lines, where only this one tells that they are events.
 * - `ignored`: a line that is no event, and is known;
 * - `unknown`: one that the format ought to know and does not. `what` names its kind: they are counted by it, and told at the end;
 * - `invalid`: one that cannot be read. It is told with its number;
 * - `foreign`: the file is of another format altogether, and nothing more of it is read.
 */
export type LineResult = {
  /** Events of earlier lines. @default none */
  readonly settled?: readonly LineEvent[];
} & (
  | { readonly kind: "events"; readonly events: readonly LineEvent[] }
  | { readonly kind: "ignored"; readonly reason: string }
  | { readonly kind: "unknown"; readonly what: string }
  | { readonly kind: "invalid"; readonly reason: string }
  | { readonly kind: "foreign"; readonly reason: string; readonly hint: string }
);

/** Reads the lines of a file in their order; it may remember earlier ones. */
export interface LineReader {
  (line: string): LineResult;
  /**
   * The next file of the same run begins, the older first: what goes on from file to file stays, what is counted in a file begins
   * anew. Where it is left out, every file has a reader of its own.
   */
  readonly next?: (context: LineContext) => void;
  /** No more lines will come. */
  readonly end?: () => LineEnd;
}

/** What a reader says behind the last line. */
export interface LineEnd {
  /** Events of earlier lines that no later one has confirmed or refuted. */
  readonly settled?: readonly LineEvent[];
  /** Sentences for whoever sends. */
  readonly notes?: readonly string[];
}
