import { fileURLToPath } from "node:url";
import { Context } from "@temporalio/activity";
import { WorkflowFailedError, type WorkflowHandle } from "@temporalio/client";
import { ApplicationFailure, CancelledFailure } from "@temporalio/common";
import { sagaQuery } from "headrace/saga";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  bundleSagas,
  openMemoryBench,
  openSagaBench,
  openSkippingBench,
  type SagaBench,
  type SkippingBench,
} from "../../support/saga-bench.ts";
import { faults, Ledger, losesReplies, refuses, type Trouble } from "./ledger.ts";
import { hastyParcel, hastyTrip, parcel, trip } from "./workflows.ts";

let bench: SagaBench;
/** The same, with a clock that jumps to whatever is waited for. */
let skipping: SkippingBench;

async function openServers(): Promise<readonly [SagaBench, SkippingBench]> {
  const workflows = await bundleSagas(fileURLToPath(new URL("workflows.ts", import.meta.url)));
  return Promise.all([openSagaBench(workflows), openSkippingBench(workflows)]);
}

/** The twin stands for both. */
async function openTwin(): Promise<readonly [SagaBench, SkippingBench]> {
  const twin = openMemoryBench({ trip, hastyTrip, parcel, hastyParcel });
  return [twin, twin];
}

const failureOf = async (handle: WorkflowHandle): Promise<ApplicationFailure> => {
  const error = await handle.result().then(
    (result) => Promise.reject(new Error(`it completed: ${JSON.stringify(result)}`)),
    (failed: unknown) => failed,
  );
  expect(error).toBeInstanceOf(WorkflowFailedError);
  return (error as WorkflowFailedError).cause as ApplicationFailure;
};
/** As an operator does it in the Temporal UI: by the name of the update, with one value at most. */
const tell = (handle: WorkflowHandle, verb: "retryNow" | "skipUndo" | "giveUp", because?: unknown) =>
  because === undefined
    ? handle.executeUpdate<string, []>(verb)
    : handle.executeUpdate<string, [unknown]>(verb, { args: [because] });
const attributes = async (handle: WorkflowHandle) => {
  // The server adds one of its own.
  const { BuildIds: _, ...ours } = (await handle.describe()).searchAttributes;
  return ours;
};
const statesOf = async (handle: WorkflowHandle) =>
  Object.fromEntries((await handle.query(sagaQuery)).steps.map(({ name, state }) => [name, state]));
/** Runs a trip with this trouble, to its end. */
const refusedTrip = async (troubles: Readonly<Record<string, Trouble>>, input = {}, saga: typeof trip = trip) => {
  const ledger = new Ledger();
  for (const [call, trouble] of Object.entries(troubles)) ledger.troubles.set(call, trouble);
  return bench.run(saga, { input }, ledger.activities(), async (handle) => {
    const failure = await failureOf(handle);
    return { ledger, failure, states: await statesOf(handle), attributes: await attributes(handle) };
  });
};

/** Resolves when it comes true: the machine may be busy. */
const soon = (holds: () => unknown) => vi.waitFor(holds, { timeout: 30_000, interval: 50 });

/** Resolves when this call has come. A clock that skips before then skips over calls that a busy worker has not fetched yet. */
const begun = (ledger: Ledger, call: string) => soon(() => expect(ledger.calls.some((made) => made.startsWith(call))).toBe(true));

/** A call that goes on until it hears that it is cancelled. */
async function untilCancelled(stopping: () => void): Promise<never> {
  const beat = setInterval(() => Context.current().heartbeat(), 50);
  try {
    return await Context.current().cancelled;
  } finally {
    clearInterval(beat);
    stopping();
  }
}

const places: readonly [where: string, open: typeof openServers][] = [
  ["on Temporal", openServers],
  ["in memory", openTwin],
];

describe.each(places)("%s", (_, open) => {
  // Sagas of the server have nothing in common, and are run side by side; those of a clock that skips have the clock, and are not.
  const concurrent = open === openServers;
  beforeAll(async () => {
    [bench, skipping] = await open();
  }, 120_000);
  afterAll(() => Promise.all([bench.close(), skipping.close()]));

  describe("a saga", { concurrent }, () => {
    it("does its steps in their order and returns; what its input leaves out is not called", async () => {
      const ledger = new Ledger();
      await bench.run(trip, { input: {} }, ledger.activities(), async (handle) => {
        expect(await handle.result()).toEqual({ booked: "book done", flight: "flight done", gift: null, quote: "12 euros" });
        expect(await statesOf(handle)).toEqual({
          hold: "done",
          gift: "left out",
          quote: "done",
          flight: "done",
          hotel: "done",
          book: "done",
          capture: "done",
          letter: "left out",
        });
        expect(await attributes(handle)).toEqual({ SagaOutcome: ["completed"] });
      });
      expect(ledger.calls).toEqual(["act hold", "look quote", "act flight", "act hotel", "act book", "act capture (flight)"]);
    });

    it("does guarded steps where its input wants them", async () => {
      const ledger = new Ledger();
      const result = await bench.run(trip, { input: { gift: true, letter: true } }, ledger.activities(), (handle) =>
        handle.result(),
      );
      expect(result).toMatchObject({ gift: "gift done" });
      expect(ledger.calls).toContain("act letter");
    });

    it("that is refused undoes what it began, in reverse, the refused step too, and tells it", async () => {
      const { ledger, failure, states, attributes: found } = await refusedTrip({ "act book": refuses }, { gift: true });
      expect(failure).toMatchObject({
        type: "SagaUndone",
        details: [{ step: "book", type: "Declined", message: "we would rather not" }],
      });
      expect(ledger.calls.filter((call) => call === "act book")).toHaveLength(1);
      expect(ledger.calls.slice(ledger.calls.indexOf("act book") + 1)).toEqual([
        "undo book",
        "undo hotel",
        "undo flight",
        "undo gift",
        "undo hold",
        "act undone (book Declined)",
      ]);
      expect(states).toMatchObject({ hold: "undone", gift: "undone", quote: "done", book: "undone", capture: "waiting" });
      expect(found).toEqual({ SagaOutcome: ["undone"], SagaStep: ["book"] });
    });

    it("whose step is left out does not undo it", async () => {
      const { ledger } = await refusedTrip({ "act book": refuses });
      expect(ledger.calls).not.toContain("undo gift");
    });

    it("that fails to read has nothing to undo there", async () => {
      const { ledger, failure } = await refusedTrip({ "look quote": refuses });
      expect(failure.details).toEqual([{ step: "quote", type: "Declined", message: "we would rather not" }]);
      expect(ledger.calls).toEqual(["act hold", "look quote", "undo hold", "act undone (quote Declined)"]);
    });

    it("tries what is only broken until its limit, then undoes", async () => {
      const { ledger, failure } = await refusedTrip({ "act hold": faults() }, {}, hastyTrip);
      expect(failure.details).toMatchObject([{ step: "hold", type: "Fault", message: "the line is dead" }]);
      expect(ledger.calls.filter((call) => call === "act hold").length).toBeGreaterThan(2);
      expect(ledger.calls.slice(-2)).toEqual(["undo hold", "act undone (hold Fault)"]);
    });

    it("tries for two minutes before its pivot, and behind it without end, where nothing else is said", async () => {
      const ledger = new Ledger();
      const limits: Record<string, number> = {};
      for (const call of ["act hold", "look quote", "act book", "act capture"])
        ledger.troubles.set(call, () => {
          limits[call] = Context.current().info.scheduleToCloseTimeoutMs;
          return undefined;
        });
      await bench.run(trip, { input: {} }, ledger.activities(), (handle) => handle.result());
      expect(limits).toEqual({ "act hold": 120_000, "look quote": 120_000, "act book": 120_000, "act capture": 0 });
    });

    it("undoes what happened although its reply was lost", async () => {
      const { ledger } = await refusedTrip({ "act flight": losesReplies() }, {}, hastyTrip);
      expect(Object.fromEntries(ledger.books)).toMatchObject({ hold: "undone", flight: "undone", hotel: "undone" });
    });

    it("hands a step that is tried again what its last try has told with its beats", async () => {
      const ledger = new Ledger();
      const told: unknown[] = [];
      ledger.troubles.set("act hold", (attempt) => {
        const context = Context.current();
        told.push(context.info.heartbeatDetails);
        context.heartbeat({ page: attempt });
        if (attempt < 3) throw new Error("the line is dead");
        return undefined;
      });
      await bench.run(trip, { input: {} }, ledger.activities(), (handle) => handle.result());
      expect(told).toEqual([undefined, { page: 1 }, { page: 2 }]);
    });

    it("tells an undo the result, where the step had answered", async () => {
      const ledger = new Ledger();
      ledger.troubles.set("act send", refuses);
      await bench.run(parcel, { input: { weight: 1 } }, ledger.activities(), failureOf);
      expect(ledger.calls.at(-1)).toBe("undo label (label done)");

      const lost = new Ledger();
      lost.troubles.set("act label", losesReplies());
      await bench.run(hastyParcel, { input: { weight: 1 } }, lost.activities(), failureOf);
      expect(lost.calls.at(-1)).toBe("undo label (no reply)");
    });

    it("cancels the steps beside one that is refused, waits until they have stopped, and undoes them all", async () => {
      const stopped: string[] = [];
      const { ledger, failure } = await refusedTrip({
        "act hotel": refuses,
        "act flight": (_, effect) => {
          effect();
          return untilCancelled(() => stopped.push("flight"));
        },
        "undo hotel": () => void stopped.push("and then undone"),
      });
      expect(failure.details).toMatchObject([{ step: "hotel", type: "Declined" }]);
      expect(stopped).toEqual(["flight", "and then undone"]);
      expect(ledger.calls.slice(-4)).toEqual(["undo hotel", "undo flight", "undo hold", "act undone (hotel Declined)"]);
      expect(ledger.books.get("flight")).toBe("undone");
    });
  });

  describe("a saga that is cancelled", { concurrent }, () => {
    it("before its pivot: the step under way stops first, then everything is undone, and the workflow is cancelled", async () => {
      const ledger = new Ledger();
      let begun = () => {};
      const reached = new Promise<void>((resolve) => {
        begun = resolve;
      });
      ledger.troubles.set("act label", (_, effect) => {
        effect();
        begun();
        return untilCancelled(() => ledger.calls.push("label has stopped"));
      });
      const error = await bench.run(parcel, { input: { weight: 1 } }, ledger.activities(), async (handle) => {
        await reached;
        await handle.cancel();
        return failureOf(handle);
      });
      expect(error).toBeInstanceOf(CancelledFailure);
      expect(ledger.calls).toEqual(["act label", "label has stopped", "undo label (no reply)"]);
    });

    it("behind its pivot goes on and completes", async () => {
      const ledger = new Ledger();
      await bench.run(trip, { input: { letter: true } }, ledger.activities(), async (handle) => {
        ledger.troubles.set("act capture", async (attempt) => {
          if (attempt === 1) await handle.cancel();
          return undefined;
        });
        expect(await handle.result()).toMatchObject({ booked: "book done" });
      });
      expect(ledger.calls).toContain("act letter");
      expect(ledger.calls).not.toContain("undo book");
    });

    it("while its pivot is under way goes on where the pivot succeeds, and undoes where it does not", async () => {
      for (const refused of [false, true]) {
        const ledger = new Ledger();
        await bench.run(trip, { input: {} }, ledger.activities(), async (handle) => {
          ledger.troubles.set("act book", async () => {
            await handle.cancel();
            if (refused) throw ApplicationFailure.nonRetryable("no", "Declined");
            return undefined;
          });
          await handle.result().catch(() => {});
          expect((await handle.describe()).status.name).toBe(refused ? "FAILED" : "COMPLETED");
        });
        expect(ledger.books.get("hold")).toBe(refused ? "undone" : "done");
      }
    });
  });

  describe("a saga that needs a person", { concurrent }, () => {
    it.sequential("raises a flag when a step behind its pivot is not through after ten minutes, and lowers it when it is", async () => {
      const ledger = new Ledger();
      const since = await skipping.environment.currentTimeMs();
      ledger.troubles.set("act capture", async () => {
        if ((await skipping.environment.currentTimeMs()) - since < 30 * 60_000) throw new Error("the bank is closed");
        return undefined;
      });
      await skipping.run(trip, { input: {} }, ledger.activities(), async (handle) => {
        await begun(ledger, "act capture");
        await skipping.environment.sleep("9m");
        expect(await attributes(handle)).toEqual({});
        await skipping.environment.sleep("2m");
        expect(await attributes(handle)).toMatchObject({ NeedsAttention: [true], SagaStep: ["capture"] });
        expect((await handle.query(sagaQuery)).needsAttention).toBe("capture: not through after 10m, and still being tried");
        await handle.result();
        expect(await attributes(handle)).toMatchObject({ NeedsAttention: [false], SagaOutcome: ["completed"] });
        expect((await handle.query(sagaQuery)).needsAttention).toBeUndefined();
      });
    });

    it("calls one at once where a step behind its pivot is refused, and tries it again when told to", async () => {
      const ledger = new Ledger();
      ledger.troubles.set("act capture", refuses);
      await bench.run(trip, { input: {} }, ledger.activities(), async (handle) => {
        await soon(async () => expect(await attributes(handle)).toMatchObject({ NeedsAttention: [true] }));
        ledger.troubles.clear();
        expect(await tell(handle, "retryNow", { reason: "the bank has been told", by: "Kim" })).toBe("trying capture again");
        await handle.result();
        const { interventions } = await handle.query(sagaQuery);
        expect(interventions).toEqual([
          { at: expect.any(String), verb: "retryNow", step: "capture", reason: "the bank has been told", by: "Kim" },
        ]);
      });
    });

    it.sequential("tries at once when told to, without waiting for the next try", async () => {
      const ledger = new Ledger();
      ledger.troubles.set("act capture", faults());
      await skipping.run(trip, { input: {} }, ledger.activities(), async (handle) => {
        await begun(ledger, "act capture");
        // After nine tries the next is most of a minute away; time stands still while nobody asks for the result.
        await skipping.environment.sleep("60s");
        await soon(() => expect(ledger.calls.filter((call) => call.startsWith("act capture")).length).toBeGreaterThan(8));
        ledger.troubles.clear();
        await tell(handle, "retryNow");
        await soon(() => expect(ledger.books.get("capture")).toBe("done"));
        await handle.result();
      });
    });

    it("leaves an undo out when told to, goes on with the others, and says so", async () => {
      const ledger = new Ledger();
      ledger.troubles.set("act book", refuses);
      ledger.troubles.set("undo flight", faults());
      await bench.run(trip, { input: {} }, ledger.activities(), async (handle) => {
        await soon(() => expect(ledger.calls).toContain("undo flight"));
        expect(await attributes(handle)).toMatchObject({ SagaStep: ["book"], SagaOutcome: ["undoing"] });
        expect(await tell(handle, "skipUndo", "the airline is bankrupt")).toBe("flight stays as it is");
        const failure = await failureOf(handle);
        expect(failure).toMatchObject({ type: "SagaUndone", details: [{ step: "book", skipped: ["flight"] }] });
        expect(failure.message).toContain("everything before it was undone, but for flight");
        expect(await attributes(handle)).toMatchObject({ SagaOutcome: ["undone in part"] });
      });
      expect(Object.fromEntries(ledger.books)).toMatchObject({ hotel: "undone", flight: "done", hold: "undone" });
    });

    it("ends as it is when an operator gives up, and says where every step was", async () => {
      const ledger = new Ledger();
      ledger.troubles.set("act capture", refuses);
      await bench.run(trip, { input: { letter: true } }, ledger.activities(), async (handle) => {
        await soon(async () => expect(await attributes(handle)).toMatchObject({ NeedsAttention: [true] }));
        expect(await tell(handle, "giveUp", { reason: "written off", by: "Kim" })).toBe("giving up at capture");
        const failure = await failureOf(handle);
        expect(failure).toMatchObject({
          type: "SagaGivenUp",
          message: expect.stringContaining("given up at 'capture': written off"),
        });
        expect(failure.details?.[0]).toMatchObject({
          step: "capture",
          interventions: [{ verb: "giveUp", reason: "written off", by: "Kim" }],
        });
        expect(await statesOf(handle)).toMatchObject({ book: "done", capture: "given up", letter: "waiting" });
        expect(await attributes(handle)).toMatchObject({ NeedsAttention: [false], SagaOutcome: ["given up"] });
      });
      expect(ledger.calls).not.toContain("act letter");
    });

    it("refuses what does not fit, and leaves no trace of it", async () => {
      const ledger = new Ledger();
      let release = () => {};
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      ledger.troubles.set("act hold", () => held.then(() => undefined));
      await bench.run(trip, { input: {} }, ledger.activities(), async (handle) => {
        await soon(() => expect(ledger.calls).toContain("act hold"));
        const refusal = (update: Promise<string>) => update.then(String, (error: Error) => String(error.cause));
        expect(await refusal(tell(handle, "giveUp", "why not"))).toContain("cancel the workflow");
        expect(await refusal(tell(handle, "giveUp", { by: "Kim" }))).toContain("give a reason");
        expect(await refusal(tell(handle, "skipUndo", "why not"))).toContain("nothing is being undone");
        release();
        await handle.result();
        expect((await handle.query(sagaQuery)).interventions).toEqual([]);
      });
    });
  });
});
