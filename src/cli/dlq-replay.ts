import { systemClock } from "../core/clock.ts";
import { startedOnce } from "../sinks/temporal/memory.ts";
import { act } from "./dlq/act.ts";
import { type DeadLetterContext, type DlqOptions, isCalled, storedAt, withDeadLetters } from "./dlq/letters.ts";
import { mayBeElsewhere, nothingKept, obstacle } from "./dlq/obstacle.ts";
import { onInterrupt } from "./interrupt.ts";
import { Feeder } from "./replay/feeder.ts";
import { tellForgotten } from "./replay/forgotten.ts";
import { type FeedOptions, parseFeedOptions, waitingSentence } from "./replay/options.ts";

/** Dead letters a second where `--rate` says nothing: each is moved on its own, and nobody is in a hurry. */
const defaultRate = 1_000;
/** Entries that may wait in the replay log of one partition and pipeline. */
const maxWaiting = 2_000;

/** `headrace dlq replay`: dead letters go through their pipeline again, as it is now, under the ids that they had. */
export async function dlqReplay(options: DlqOptions & FeedOptions, id: string | undefined): Promise<number> {
  const { apply, json, stateAgain } = options;
  const limits = parseFeedOptions(options, defaultRate);
  return withDeadLetters(options, async (context) => {
    await tellForgottenLetters(options, context, id);
    const signal = onInterrupt("Stopping: what was moved so far is read again, the rest stays where it is.");
    const feeder = new Feeder({ bus: context.bus, clock: systemClock }, { ...limits, signal });
    return act(
      context,
      {
        words: { done: "replayed", would: "would-replay" },
        obstacle: (found) => obstacle(context.app, found, stateAgain),
        take: async ({ partition, letter }) => {
          await feeder.waitForRoom(partition, letter.pipeline, { entries: 1, limit: maxWaiting });
          if (signal.aborted) return { kind: "skipped", why: "interrupted" };
          const moved = await context.bus.replayDeadLetter(partition, letter);
          if (moved.kind === "empty") return { kind: "skipped", why: nothingKept };
          if (moved.kind === "gone") return { kind: "gone" };
          await feeder.pace(moved.events);
          return { kind: "done" };
        },
        end: async () => {
          const waiting = await feeder.settled();
          return { counts: { waiting }, sentence: waitingSentence(waiting) };
        },
      },
      { id, apply, json, signal },
    );
  });
}

/** Says which workflows may be started again: another destination than the one that refused an event may have started one for it. */
async function tellForgottenLetters(
  options: DlqOptions,
  { app, found }: DeadLetterContext,
  id: string | undefined,
): Promise<void> {
  if (startedOnce(app.pipelines).length === 0) return;
  const oldest = new Map<string, number>();
  for await (const one of found) {
    const { pipeline, stage, entry } = one.letter;
    if (entry === "" || !mayBeElsewhere(stage) || (id !== undefined && !isCalled(id, one))) continue;
    oldest.set(pipeline, Math.min(storedAt(one.letter), oldest.get(pipeline) ?? Number.POSITIVE_INFINITY));
  }
  for (const pipeline of app.pipelines) await tellForgotten(options, { app, pipeline, oldestMs: oldest.get(pipeline.name) });
}
