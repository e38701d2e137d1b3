import { ApplicationFailure } from "@temporalio/common";
import type { SagaPlan } from "../../../src/plan/saga.ts";

/** What befalls a step. */
export const troubles = ["refused", "fault", "reply lost", "cancelled", "worker killed"] as const;
export type Trouble = (typeof troubles)[number];

export interface Outcome {
  readonly status: "COMPLETED" | "FAILED" | "CANCELLED";
  /** What has become of each step: `undone` where its undo was called, whether it had happened or not. */
  readonly steps: Readonly<Record<string, "none" | "done" | "undone">>;
}

/** What must come of a saga when this befalls one of its steps. */
export function expectedOf({ steps }: SagaPlan, at: string, trouble: Trouble): Outcome {
  const pivot = steps.findIndex(({ kind }) => kind === "pivot");
  const index = steps.findIndex(({ name }) => name === at);
  const ended = (status: Outcome["status"], stateOf: (i: number) => "none" | "done" | "undone"): Outcome => ({
    status,
    steps: Object.fromEntries(steps.map(({ name, kind }, i) => [name, kind === "read" ? "none" : stateOf(i)])),
  });
  const finishes =
    // What is behind the pivot comes through, and so does what only has to be tried again.
    index > pivot || trouble === "worker killed" || (trouble === "cancelled" && index === pivot);
  if (finishes) return ended("COMPLETED", () => "done");
  return ended(trouble === "cancelled" ? "CANCELLED" : "FAILED", (i) => (i <= index ? "undone" : "none"));
}

export interface Strike {
  readonly step: string;
  readonly trouble: Trouble;
  /** Cancels the saga. */
  readonly cancel?: () => Promise<unknown>;
  /** Is told of each step that hangs, for its worker to be killed in it. */
  readonly hanging?: Set<string>;
  /** The step that an activity is called for. @default the last part of its key */
  readonly stepOf?: (activity: string, key: string) => string;
}

/** A saga's activities, with this trouble at the do of this step. */
export function troubled<Activities extends object>(
  activities: Activities,
  { steps }: SagaPlan,
  { step, trouble, cancel = async () => {}, hanging = new Set(), stepOf = (_, key) => stepOfKey(key) }: Strike,
): { readonly activities: Activities; readonly struck: () => boolean } {
  let doing: string | undefined;
  let calls = 0;
  const isBehindPivot = steps.find(({ name }) => name === step)?.kind === "forward";
  const wrapped = Object.entries(activities).map(([name, run]) => [
    name,
    async (key: string, ...rest: never[]) => {
      const call = () => (run as (...args: unknown[]) => Promise<unknown>)(key, ...rest);
      // Some steps are undone under their own key: theirs is the activity that is called for the step first.
      if (stepOf(name, key) !== step) return call();
      doing ??= name;
      if (doing !== name) return call();
      calls++;
      switch (trouble) {
        case "refused":
          if (isBehindPivot && calls > 1) return call();
          throw ApplicationFailure.nonRetryable("not today", "Refused");
        case "fault":
          if (isBehindPivot && calls > 3) return call();
          throw new Error("it is broken");
        case "reply lost":
          await call();
          if (isBehindPivot && calls > 3) return call();
          throw new Error("the reply was lost");
        case "cancelled":
          if (calls === 1) await cancel();
          return call();
        case "worker killed":
          await call();
          hanging.add(key);
          return new Promise(() => {});
        default:
          return trouble satisfies never;
      }
    },
  ]);
  return { activities: Object.fromEntries(wrapped) as Activities, struck: () => calls > 0 };
}

export const stepOfKey = (key: string): string => key.slice(key.lastIndexOf("/") + 1);
