import { ConfigError } from "../core/errors.ts";
import { act } from "./dlq/act.ts";
import { type DlqOptions, withDeadLetters } from "./dlq/letters.ts";
import { onInterrupt } from "./interrupt.ts";

/** `headrace dlq discard`: removes dead letters for good. Without an id, a filter or `--all` it refuses. */
export async function dlqDiscard(
  options: DlqOptions & { readonly apply: boolean; readonly all: boolean },
  id: string | undefined,
): Promise<number> {
  const { pipeline, stage, reason, since, all, apply, json } = options;
  if (!all && [id, pipeline, stage, reason, since].every((given) => given === undefined)) {
    throw new ConfigError("usage", "this would discard every dead letter", {
      hint: "Name one by its id, some with --pipeline, --stage, --reason or --since, or add --all.",
    });
  }
  return withDeadLetters(options, (context) =>
    act(
      context,
      {
        words: { done: "discarded", would: "would-discard" },
        obstacle: () => undefined,
        take: async ({ partition, letter }) => {
          const answer = await context.bus.discardDeadLetter(partition, letter);
          return { kind: answer === "gone" ? "gone" : "done" };
        },
        end: async () => ({ counts: {} }),
      },
      { id, apply, json, signal: onInterrupt("Stopping: what was discarded is said.") },
    ),
  );
}
