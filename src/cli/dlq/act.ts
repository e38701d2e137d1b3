import { exitCodes, printJson, printLine } from "../output.ts";
import { printable } from "../printable.ts";
import { type DeadLetterContext, type FoundLetter, lettersCalled, summary } from "./letters.ts";

/** What became of one dead letter: done, gone before we came, or skipped for a reason. */
export type Done = { readonly kind: "done" | "gone" } | { readonly kind: "skipped"; readonly why: string };

export interface Action {
  readonly words: { readonly done: string; readonly would: string };
  /** Why a dead letter cannot be taken: `undefined` where it can. */
  readonly obstacle: (found: FoundLetter) => string | undefined;
  readonly take: (found: FoundLetter) => Promise<Done>;
  /** After the last one; what it resolves with belongs to the summary. */
  readonly end: () => Promise<{ readonly counts: Readonly<Record<string, number>>; readonly sentence?: string | undefined }>;
}

export interface ActOptions {
  readonly id: string | undefined;
  readonly apply: boolean;
  readonly json: boolean;
  readonly signal: AbortSignal;
}

/** Takes what the filter or the id finds through an action, or says what would be done. A line each, and one at the end. */
export async function act(
  { found }: DeadLetterContext,
  action: Action,
  { id, apply, json, signal }: ActOptions,
): Promise<number> {
  const { words } = action;
  const counts = { matched: 0, [words.done]: 0, gone: 0, skipped: 0 };
  const count = (counter: string) => {
    counts[counter] = (counts[counter] ?? 0) + 1;
  };
  const tell = (one: FoundLetter, what: string, why?: string) => {
    const line = summary(one.letter);
    if (json) return printJson({ action: what, ...line, ...(why !== undefined && { why }) });
    const { partition, reason, stage, type } = line;
    printLine(printable(`${what} ${partition}:${line.id} ${stage} ${reason} ${type}${why === undefined ? "" : ` (${why})`}`));
  };
  const summarize = ({ counts: more, sentence }: Awaited<ReturnType<Action["end"]>>) => {
    if (json) printJson({ ...counts, ...more, applied: apply });
    else printLine(summarySentence(counts, { words, apply, sentence }));
  };

  try {
    for await (const one of id === undefined ? found : await lettersCalled(id, found)) {
      if (signal.aborted) break;
      counts.matched++;
      const why = action.obstacle(one);
      const done: Done = why !== undefined ? { kind: "skipped", why } : apply ? await action.take(one) : { kind: "done" };
      if (done.kind === "skipped") tell(one, "skipped", done.why);
      else tell(one, done.kind === "gone" ? "gone" : apply ? words.done : words.would);
      count(done.kind === "done" ? words.done : done.kind);
    }
  } catch (error) {
    // What was done so far stays done, and has to be known.
    if (counts.matched > 0) summarize({ counts: {} });
    throw error;
  }
  summarize(apply ? await action.end() : { counts: {} });
  if (signal.aborted) return exitCodes.interrupted;
  return counts.skipped > 0 ? exitCodes.findings : exitCodes.fine;
}

function summarySentence(
  counts: Readonly<Record<string, number>>,
  { words, apply, sentence = "" }: { words: Action["words"]; apply: boolean; sentence?: string | undefined },
): string {
  const { [words.done]: done = 0, gone = 0, skipped = 0 } = counts;
  const letters = `${done} dead letter${done === 1 ? "" : "s"}`;
  const rest = `${gone > 0 ? `, ${gone} gone meanwhile` : ""}${skipped > 0 ? `, ${skipped} skipped` : ""}`;
  return apply
    ? `${letters} ${words.done}${rest}.${sentence}`
    : `${letters} would be ${words.done}${rest}. Nothing was changed: add --apply.`;
}
