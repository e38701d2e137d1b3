import type { Stamp } from "./stamp.ts";

/** What one line of a system log is, before anyone asks what its text means. */
export type LogLine =
  | {
      readonly kind: "entry";
      readonly stamp: Stamp;
      readonly host: string;
      readonly program: string;
      readonly pid: string;
      readonly text: string;
    }
  /** BSD's "last message repeated 4 times": the line before it in the file, whoever wrote that. */
  | { readonly kind: "repeated"; readonly stamp: Stamp; readonly host: string; readonly times: number }
  /** Stamped, but no `program[pid]: text` follows: a kernel line. */
  | { readonly kind: "untagged"; readonly stamp: Stamp }
  /** What journalctl itself prints between entries. */
  | { readonly kind: "marker" }
  /** Not a log at all, or one that is not written in lines: nothing that follows can be read either. */
  | { readonly kind: "foreign"; readonly reason: string; readonly hint: string }
  | { readonly kind: "unreadable"; readonly reason: string };
