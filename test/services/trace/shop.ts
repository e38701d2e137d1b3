import { defineApp, defineEvent, defineStream, pipeline, signalWorkflow, startWorkflow, updateWorkflow } from "headrace";
import type { ActivityDeps } from "headrace/host";
import { z } from "zod";
import { ask, knock, stay } from "./workflows.ts";

const visited = defineEvent("guest.visited", z.object({ guest: z.string(), how: z.enum(["start", "signal", "update"]) }), {
  key: ({ guest }) => guest,
});
const told = defineEvent("visit.told", z.object({ guest: z.string(), what: z.string(), seen: z.string(), asked: z.string() }), {
  key: ({ guest }) => guest,
});
export const visits = defineStream("visits", { events: [visited], partitions: 1 });
const tales = defineStream("tales", { events: [told], partitions: 1 });
const echoes = defineStream("echoes", { events: [told], partitions: 1 });

export const visit = (guest: string, how: "start" | "signal" | "update", traceparent: string) => ({
  ...visited({ guest, how }),
  traceparent,
});

export const createActivities = ({ announce, traceparent }: ActivityDeps) => ({
  tell: (key: string, tale: { readonly guest: string; readonly what: string; readonly seen: string }) =>
    announce(tales, { id: key, ...told({ ...tale, asked: traceparent() ?? "none" }) }),
});
export type Activities = ReturnType<typeof createActivities>;

/** What was told of a call: the trace that the workflow has seen, the one of its activity, and the one of the event that was announced. */
export type Traces = Readonly<Record<"seen" | "asked" | "announced", string | undefined>>;

/** Visits start, signal and update a workflow of their guest; what its activities announce is heard. */
export function openShop(taskQueue: string) {
  const heard = new Map<string, Traces>();
  const of = { workflowId: ({ guest }: { readonly guest: string }) => `stay/${guest}` };
  const calls = pipeline("calls")
    .from(visits)
    .route(
      { start: startWorkflow(stay, { taskQueue, ...of }), signal: signalWorkflow(knock, of), update: updateWorkflow(ask, of) },
      ({ id, data: { guest, how } }, to) => to[how]({ guest, eventId: id }),
    );
  const listening = pipeline("listening")
    .from(tales)
    .filter("heard", ({ data: { guest, what, seen, asked }, traceparent }) => {
      heard.set(`${guest} ${what}`, { seen, asked, announced: traceparent });
      return false;
    })
    .emit(echoes, ({ data }) => told(data));
  return { app: defineApp({ pipelines: [calls, listening] }), heard };
}
