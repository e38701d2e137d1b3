import { condition, defineSignal, defineUpdate, setHandler } from "@temporalio/workflow";
import { seenBefore } from "headrace/saga";

export interface Added {
  readonly eventId: string;
  readonly counter: string;
  readonly n: number;
}

export const add = defineSignal<[Added]>("add");
export const addAndTell = defineUpdate<number, [Added]>("addAndTell");

/** Adds up what it is sent, each event once, until it has come to `until`. */
export async function counter(until: number): Promise<number> {
  const seen = seenBefore();
  let sum = 0;
  const take = ({ eventId, n }: Added) => {
    if (!seen(eventId)) sum += n;
    return sum;
  };
  setHandler(add, (added) => void take(added));
  setHandler(addAndTell, take, {
    validator: ({ n }) => {
      if (n < 0) throw new Error("only up");
    },
  });
  await condition(() => sum >= until);
  return sum;
}
