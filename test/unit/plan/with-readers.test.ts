import { expect, it } from "vitest";
import { defineApp } from "../../../src/dsl/app.ts";
import { pipeline } from "../../../src/dsl/pipeline.ts";
import { startWorkflow, toStream } from "../../../src/dsl/sinks.ts";
import { defineStream } from "../../../src/dsl/stream.ts";
import { withReaders } from "../../../src/plan/plan.ts";
import { startedOnce } from "../../../src/sinks/temporal/memory.ts";
import { type Thing, thingHappened, things } from "../../support/things.ts";

const derived = (name: string) => defineStream(name, { events: [thingHappened], partitions: 1 });
const [middle, last, back] = [derived("middle"), derived("last"), things()];
const draft = ({ data }: Thing) => ({ type: "thing.happened", data }) as const;
async function packing(_: { readonly key: string }): Promise<void> {}
async function reminding(_: { readonly key: string }): Promise<void> {}
const starting = { taskQueue: "q", workflowId: ({ key }: { readonly key: string }) => key };

const first = pipeline("first").from(back).emit(middle, draft);
const second = pipeline("second")
  .from(middle)
  .route({ on: toStream(last), pack: startWorkflow(packing, starting) }, (event, to) => [
    to.on(draft(event)),
    to.pack({ key: event.key }),
  ]);
const third = pipeline("third")
  .from(last)
  .route(
    { back: toStream(back), remind: startWorkflow(reminding, { ...starting, notAfter: () => new Date(0) }) },
    (event, to) => [to.back(draft(event)), to.remind({ key: event.key })],
  );
const alone = pipeline("alone").from(derived("alone")).emit(derived("nobody"), draft);
const app = defineApp({ pipelines: [alone, first, second, third] }).plan;

it("what is read again reaches all that read what is derived from it, also in a circle", () => {
  const names = (one: typeof first) => withReaders(app, one.plan).map(({ name }) => name);
  expect(names(first)).toEqual(["first", "second", "third"]);
  expect(names(third)).toEqual(["third", "first", "second"]);
  expect(names(alone)).toEqual(["alone"]);
});

it("and may start a workflow again there, unless the start says after when it is of no use", () => {
  expect(startedOnce(withReaders(app, first.plan))).toEqual(["packing"]);
  expect(startedOnce([alone.plan])).toEqual([]);
});
