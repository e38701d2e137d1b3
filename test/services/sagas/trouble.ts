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
