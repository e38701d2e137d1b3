import type { DoorPlan } from "../plan/door.ts";

/** Why an event is refused. It is the same when it is sent again; so it must be mended. */
export const refusedReasons = {
  "not-json": "its text is not JSON",
  "not-an-object": "it is JSON, and no object",
  "not-a-cloudevent": "it lacks what a CloudEvent 1.0 must have",
  "not-utf8": "its text is not UTF-8",
  "too-large": "it measures more than the stream takes",
  "too-deep": "its brackets nest deeper than 64 levels",
  "half-character": "one of its texts holds half a character",
  "bad-id": "its id is no text of 1 to 128 characters",
  "bad-source": "its source is no text",
  "no-type": "it has no type",
  "bad-time": "its time cannot be read",
  "bad-version": "its version is no whole number from 1 on",
  "unknown-type": "the stream carries no such type",
  "time-out-of-range": "its time is not within 400 days back and one day ahead of now",
  "too-old": "its time is older than the stream takes",
  "version-unknown": "its version is newer than the collector knows",
  "schema": "its data do not fit the schema of its type",
  "unreadable": "the code of the application that reads it has thrown",
} as const;

/** Why an event is to be sent again as it is. */
export const retryReasons = {
  "overloaded": "events come faster than Redis stores them",
  "rate-limited": "its sender sends faster than the stream takes",
  "away": "Redis does not store events at present",
  "unconfirmed":
    "Redis has not confirmed it in time: it may be stored, and is one event if it has an id and comes again under it",
} as const;

export type RetryReason = keyof typeof retryReasons;

/** What has become of one event of a request, which is at `i` of it. */
export type Result =
  | { readonly i: number; readonly id: string; readonly result: "stored"; readonly position?: string }
  | { readonly i: number; readonly id: string; readonly result: "duplicate" }
  | {
      readonly i: number;
      readonly id?: string;
      readonly result: "refused";
      readonly reason: string;
      readonly detail: string;
    }
  | { readonly i: number; readonly id: string; readonly result: "retry"; readonly reason: RetryReason };

/** The answer to a request: a result for each of its events, in their order, and how many there are of each kind. */
export interface Answer {
  readonly results: readonly Result[];
  readonly stored: number;
  readonly duplicate: number;
  readonly refused: number;
  readonly retry: number;
  /** What `stored` stands for. */
  readonly durability: DoorPlan["durability"];
}

/** Counts the results. */
export function answerOf(results: readonly Result[], durability: DoorPlan["durability"]): Answer {
  const counts = { stored: 0, duplicate: 0, refused: 0, retry: 0 };
  for (const { result } of results) counts[result]++;
  return { results, ...counts, durability };
}
