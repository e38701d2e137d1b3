import { printJson, printLine, say } from "../output.ts";
import { printable } from "../printable.ts";

/** Where a line stands. */
export interface LinePlace {
  /** Its name, where several files are sent. */
  readonly file?: string | undefined;
  /** From 1. */
  readonly line: number;
}

interface Kind {
  lines: number;
  /** The first of them. */
  readonly place: LinePlace;
}

/** Kinds beyond so many are counted together. */
const maxKinds = 1_000;
/** How many of them a person is told. */
const shownKinds = 20;
const others = "(other lines)";

/** What became of the lines and their events, and what is said of it: complaints at once, the rest at the end. */
export class SendReport {
  sent = 0;
  duplicates = 0;
  invalid = 0;
  readonly #format: string;
  readonly #complain: (text: string) => void;
  readonly #unknown = new Map<string, Kind>();

  constructor(format: string, complain: (text: string) => void = say) {
    this.#format = format;
    this.#complain = complain;
  }

  /** A line, or one of its events, that cannot be sent. */
  refuse(place: LinePlace, reason: string): void {
    this.invalid++;
    this.#complain(`${nameOf(place)}: ${printable(reason)}`);
  }

  /** A line of the format that it does not understand. */
  puzzle(place: LinePlace, what: string): void {
    const kind = this.#unknown.has(what) || this.#unknown.size < maxKinds ? what : others;
    const known = this.#unknown.get(kind);
    if (known === undefined) this.#unknown.set(kind, { lines: 1, place });
    else known.lines++;
  }

  print(json: boolean): void {
    const kinds = [...this.#unknown].sort(([, one], [, other]) => other.lines - one.lines);
    const lines = kinds.reduce((sum, [, kind]) => sum + kind.lines, 0);
    const { sent, duplicates, invalid } = this;
    if (json) {
      const unknown = { lines, kinds: kinds.map(([kind, { lines, place }]) => ({ kind, lines, ...place })) };
      printJson({ sent, duplicates, invalid, ...(lines > 0 && { unknown }) });
    } else {
      printLine(`sent ${sent}, duplicates ${duplicates}, invalid ${invalid}`);
    }
    if (lines === 0) return;
    say(`${lines} line${lines === 1 ? "" : "s"} of ${this.#format} ${lines === 1 ? "says" : "say"} nothing that I know:`);
    for (const [kind, { lines, place }] of kinds.slice(0, shownKinds))
      say(`${String(lines).padStart(8)}  ${printable(kind)}  (${lines === 1 ? "" : "first: "}${nameOf(place)})`);
    if (kinds.length > shownKinds) say(`${"".padStart(8)}  and ${kinds.length - shownKinds} more kinds, which --json lists`);
  }
}

const nameOf = ({ file, line }: LinePlace): string => (file === undefined ? `line ${line}` : `${printable(file)}, line ${line}`);
