import { setTimeout as sleep } from "node:timers/promises";
import { Context } from "@temporalio/activity";
import { ApplicationFailure } from "@temporalio/common";
import { saga } from "headrace/saga";
import { type SagaScript, testSaga } from "headrace/testing";
import { describe, expect, it } from "vitest";
import { checkout } from "../../../workflows/checkout.ts";
import { Ledger } from "../../services/sagas/ledger.ts";
import { parcel, trip } from "../../services/sagas/workflows.ts";

/** A trip whose participants keep books of their own in each run. */
function openTrip(input = {}) {
  const ledgers: Ledger[] = [];
  const test = testSaga(trip, {
    input,
    activities: () => {
      ledgers.push(new Ledger());
      return ledgers.at(-1)?.activities() ?? {};
    },
  });
  return { test, books: () => Object.fromEntries(ledgers.at(-1)?.books ?? []) };
}

describe("testSaga", () => {
  it("runs a saga to its end, with the answers of its participants", async () => {
    const { test, books } = openTrip();
    const run = await test.run();
    run.thenCompleted({ booked: "book done", flight: "flight done", gift: null, quote: "12 euros" }).thenUndone();
    expect(run.calls.map(({ step, kind, activity }) => `${kind} ${step} ${activity}`)).toEqual([
      "do hold act",
      "do quote look",
      "do flight act",
      "do hotel act",
      "do book act",
      "do capture act",
    ]);
    expect(run.steps.map(({ name, state }) => `${name} ${state}`)).toContain("gift left out");
    expect(run).toMatchObject({ outcome: "completed", isCancelled: false, help: [] });
    expect(books()).toMatchObject({ book: "done", capture: "done" });
  });

  it("has an activity answer nothing where none is given", async () => {
    const run = await testSaga(trip, { input: {} }).run();
    expect(run).toMatchObject({ outcome: "completed", result: { gift: null } });
  });

  it("refuses a step as a participant does: once, and all before it is undone in reverse", async () => {
    const { test, books } = openTrip({ gift: true });
    const run = await test.run({ book: { kind: "refuse", type: "Declined", message: "we would rather not" } });
    run.thenRefused("book", "Declined").thenUndone("book", "hotel", "flight", "gift", "hold");
    expect(run.refusal?.message).toBe("we would rather not");
    expect(run.calls.filter(({ step }) => step === "book")).toHaveLength(2);
    expect(run.calls.at(-1)).toMatchObject({ step: "undone", kind: "do", args: ["trip/test/undone", "book Declined"] });
    expect(books()).toMatchObject({ hold: "undone", flight: "undone" });
  });

  it("has a step fail for its two minutes of virtual time, or so many times", async () => {
    const { test } = openTrip();
    const broken = await test.run({ hold: { kind: "fail" } });
    broken.thenRefused("hold", "Fault").thenUndone("hold");
    expect(broken.tookMs).toBeGreaterThan(100_000);
    expect(broken.tookMs).toBeLessThan(121_000);
    const late = await test.run({ hold: { kind: "fail", times: 2 } });
    expect(late.outcome).toBe("completed");
    expect(late.calls.filter(({ step }) => step === "hold").map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(late.tookMs).toBe(600);
  });

  it("loses a reply: what was done is undone, without its result", async () => {
    const ledger = new Ledger();
    const test = testSaga(parcel, { input: { weight: 1 }, activities: ledger.activities() });
    (await test.run({ label: { kind: "loseReply" } })).thenRefused("label", "Fault").thenUndone("label");
    expect(ledger.calls.at(-1)).toBe("undo label (no reply)");
    expect(ledger.books.get("label")).toBe("undone");
  });

  it("has a participant never answer, until the time of its try is over", async () => {
    const run = await openTrip().test.run({ quote: { kind: "hang", times: 1 } });
    expect(run.outcome).toBe("completed");
    // 10 s a try, and the next 200 ms later.
    expect(run.tookMs).toBe(10_200);
    const beating = await testSaga(parcel, { input: { weight: 1 } }).run({ label: { kind: "hang", times: 1 } });
    expect(beating.tookMs).toBe(5_200);
  });

  it("cancels a saga while a step is under way", async () => {
    const { test } = openTrip();
    const before = await test.run({ flight: { kind: "cancel" } });
    expect(before).toMatchObject({ outcome: "undone", isCancelled: true });
    before.thenUndone("hotel", "flight", "hold");
    const behind = await test.run({ capture: { kind: "cancel" } });
    expect(behind).toMatchObject({ outcome: "completed", isCancelled: false });
  });

  it("tells that a person was called, and what an operator's decision made of it", async () => {
    const script: SagaScript = { capture: { kind: "refuse", times: 2 } };
    const alone = await openTrip().test.run(script);
    expect(alone).toMatchObject({ outcome: "running", help: ["capture: it says no; it will not be tried again by itself"] });

    const options = { input: {}, activities: new Ledger().activities() };
    const retried = await testSaga(trip, { ...options, operator: () => ({ verb: "retryNow", reason: "told them" }) }).run(script);
    expect(retried).toMatchObject({ outcome: "completed" });
    expect(retried.help).toHaveLength(2);

    const given = await testSaga(trip, { ...options, operator: () => ({ verb: "giveUp", reason: "written off" }) }).run(script);
    expect(given.outcome).toBe("given up");

    const late = await openTrip().test.run({ capture: { kind: "fail", times: 30 } });
    expect(late).toMatchObject({ outcome: "completed", help: ["capture: not through after 10m, and still being tried"] });
    const skipped = await testSaga(trip, { ...options, operator: () => ({ verb: "skipUndo", reason: "bankrupt" }) }).run({
      "book": { kind: "refuse" },
      "undo flight": { kind: "fail" },
    });
    expect(skipped.outcome).toBe("undone in part");
  });

  it("tries every trouble at every step, and finds what a saga does not keep", async () => {
    const { test, books } = openTrip({ gift: true, letter: true });
    const seen: string[] = [];
    const troubles = await test.everyTrouble(({ step, kind, run }) => {
      seen.push(`${step} ${kind}`);
      const isDone = run.outcome === "completed";
      for (const [name, state] of Object.entries(books())) {
        const { kind: of } = trip.saga.steps.find((one) => one.name === name) ?? { kind: "read" };
        if (of === "step" || of === "pivot") expect(`${name} ${state}`).toBe(`${name} ${isDone ? "done" : "undone"}`);
      }
    });
    // Five steps up to the pivot and a read with four troubles each, two behind it with three.
    expect(troubles).toHaveLength(6 * 4 + 2 * 3);
    expect(seen).toContain("flight loseReply");
    expect(seen).toContain("capture cancel");
    // An undo that is refused leaves the saga to a person.
    const stubborn = testSaga(trip, {
      input: {},
      activities: () => ({
        ...new Ledger().activities(),
        undo: async () => {
          throw ApplicationFailure.nonRetryable("not with us", "Stubborn");
        },
      }),
    });
    await expect(stubborn.everyTrouble()).rejects.toThrow(/saga 'trip', 'hold', refuse: it is undoing.*not with us/);
  });

  it("holds every trouble of the checkout", async () => {
    const test = testSaga(checkout, {
      input: { checkoutId: "p", cartId: "c", userId: "u", paymentToken: "tok", lines: [] },
      activities: {
        quote: async () => ({ totalCents: 700 }),
        placeOrder: async () => ({ orderId: "o", checkoutId: "p", totalCents: 700 }),
      },
    });
    (await test.run({ payment: { kind: "refuse", type: "PaymentDeclined" } })).thenUndone("payment", "stock", "freeze");
    expect(await test.everyTrouble()).toHaveLength(5 * 4 + 4 * 3);
  });

  it("says what its script may name", async () => {
    const { test } = openTrip();
    expect(() => test.run({ pay: { kind: "fail" } })).toThrow("saga 'trip' has no step 'pay'");
    expect(() => test.run({ "undo quote": { kind: "fail" } })).toThrow("has no step 'undo quote'");
  });

  it("throws what the workflow's own code has thrown", async () => {
    const broken = saga<object, { act(key: string): Promise<string> }>("broken")
      .pivot("only", { do: ({ key, call }) => call.act(key), undo: async () => {} })
      .returns(({ done }) => (done.only as unknown as { readonly no: { readonly such: string } }).no.such);
    await expect(testSaga(broken, { input: {} }).run()).rejects.toThrow(TypeError);
  });

  it("finds a workflow that decides otherwise when it is replayed", async () => {
    let runs = 0;
    const odd = saga<object, { act(key: string, n: number): Promise<string> }>("odd")
      .pivot("only", { do: ({ key, call }) => call.act(key, runs++), undo: async () => {} })
      .returns(() => 1);
    await expect(testSaga(odd, { input: {} }).run()).rejects.toThrow(/saga 'odd' is not deterministic: it decided .*act/);
  });

  it("has workflows see the virtual time and their own chance, and nobody else", async () => {
    const seen: unknown[] = [];
    const dated = saga<object, { act(key: string, ...facts: readonly unknown[]): Promise<void> }>("dated")
      .pivot("only", {
        do: ({ key, call }) => call.act(key, Date.now(), new Date().toISOString(), Math.random()),
        undo: async () => {},
      })
      .returns(() => Date.now());
    const now = new Date("2026-05-01T12:00:00.000Z");
    const chance = Math.random;
    const activities = {
      act: async (_: string, ...facts: readonly unknown[]) => {
        await sleep(1);
        seen.push(...facts, Math.random === chance, Date.now() > now.getTime());
      },
    };
    const run = await testSaga(dated, { input: {}, now, activities }).run();
    expect(run.result).toBe(now.getTime());
    expect(seen).toEqual([now.getTime(), now.toISOString(), expect.any(Number), true, true]);
  });

  it("gives activities their context, and stands still while one works", async () => {
    const infos: unknown[] = [];
    const act = async () => {
      const { attempt, activityId, workflowExecution, scheduledTimestampMs } = Context.current().info;
      await sleep(20);
      infos.push([attempt, activityId, workflowExecution?.workflowId, scheduledTimestampMs]);
      return "done";
    };
    const options = { input: { weight: 1 }, workflowId: "parcel/7", now: new Date(5_000), activities: { act } };
    const run = await testSaga(parcel, options).run();
    expect(run.tookMs).toBe(0);
    expect(infos).toEqual([
      [1, "label", "parcel/7", 5_000],
      [1, "send", "parcel/7", 5_000],
    ]);
  });
});
