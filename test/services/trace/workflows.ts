import { condition, defineSignal, defineUpdate, executeChild, proxyActivities, setHandler } from "@temporalio/workflow";
import { saga, traceparent } from "headrace/saga";
import type { Activities } from "./shop.ts";

export interface Visit {
  readonly guest: string;
  readonly eventId: string;
}

export const knock = defineSignal<[Visit]>("knock");
export const ask = defineUpdate<void, [Visit]>("ask");

const { tell } = proxyActivities<Activities>({ startToCloseTimeout: "10s" });

/** Tells of each call, and what trace it has seen; ends once it was signalled and asked. */
export async function stay({ guest }: Visit): Promise<void> {
  let calls = 0;
  const heard = async (what: string) => {
    await tell(`${guest}/${what}`, { guest, what, seen: traceparent() ?? "none" });
    calls++;
  };
  setHandler(knock, () => heard("signal"));
  setHandler(ask, () => heard("update"));
  await heard("start");
  await condition(() => calls === 3);
  await executeChild(leave, { args: [{ guest }], workflowId: `leave/${guest}` });
}

export const leave = saga<{ readonly guest: string }, Activities>("leave")
  .pivot("bill", {
    do: ({ input: { guest }, key, call }) => call.tell(key, { guest, what: "step", seen: traceparent() ?? "none" }),
    undo: async () => {},
  })
  .returns(() => "gone");
