import { systemClock } from "../core/clock.ts";
import { act } from "./dlq/act.ts";
import { atDesk, type DlqOptions } from "./dlq/letters.ts";
import { nothingKept, obstacle } from "./dlq/obstacle.ts";
import { onInterrupt } from "./interrupt.ts";
import { Feeder } from "./replay/feeder.ts";
import { type FeedOptions, parseFeedOptions, waitingSentence } from "./replay/options.ts";

/** Dead letters a second where `--rate` says nothing: each is moved on its own, and nobody is in a hurry. */
const defaultRate = 1_000;
/** Entries that may wait in the replay log of one partition and pipeline. */
const maxWaiting = 2_000;

/** `headrace dlq replay`: dead letters go through their pipeline again, as it is now, under the ids that they had. */
export async function dlqReplay(options: DlqOptions & FeedOptions, id: string | undefined): Promise<number> {
  const { apply, json, stateAgain } = options;
  const limits = parseFeedOptions(options, defaultRate);
  return atDesk(options, (desk) => {
    const signal = onInterrupt("Stopping: what was moved so far is read again, the rest stays where it is.");
    const feeder = new Feeder({ bus: desk.bus, clock: systemClock }, { ...limits, signal });
    return act(
      desk,
      {
        words: { done: "replayed", would: "would-replay" },
        obstacle: (found) => obstacle(desk.app, found, stateAgain),
        take: async ({ partition, letter }) => {
          await feeder.room(partition, letter.pipeline, { entries: 1, limit: maxWaiting });
          if (signal.aborted) return { kind: "skipped", why: "interrupted" };
          const moved = await desk.bus.replayDeadLetter(partition, letter);
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
