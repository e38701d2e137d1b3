import { parseDuration, seconds } from "../../core/duration.ts";
import { wholeNumber } from "../numbers.ts";

/** What everything takes that puts events in a replay log. */
export interface FeedOptions {
  /** Events a second at most. */
  readonly rate?: string | undefined;
  /** How long to wait where nobody takes anything. @default 30s */
  readonly giveUpAfter?: string | undefined;
  /** Keyed state may take events a second time. */
  readonly stateAgain: boolean;
  readonly apply: boolean;
}

/** Reads the rate and the patience out of a command line. */
export const parseFeedOptions = ({ rate, giveUpAfter }: FeedOptions, defaultRate: number) => ({
  rate: rate === undefined ? defaultRate : wholeNumber("--rate", rate),
  giveUpAfterMs: giveUpAfter === undefined ? seconds(30) : parseDuration(giveUpAfter),
});

/** How the summary says that entries still wait in replay logs. */
export const waitingSentence = (waiting: number): string =>
  waiting === 0
    ? ""
    : ` ${waiting} ${waiting === 1 ? "entry waits" : "entries wait"} to be read: a worker of the pipeline does it.`;
