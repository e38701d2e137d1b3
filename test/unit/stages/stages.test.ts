import { beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { ConfigError } from "../../../src/core/errors.ts";
import { defineEvent } from "../../../src/dsl/event.ts";
import { deadLetter, drop } from "../../../src/dsl/outcome.ts";
import { type Pipeline, type PipelineBuilder, pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse } from "../../../src/dsl/sinks.ts";
import { defineStream } from "../../../src/dsl/stream.ts";
import { compileAdmission } from "../../../src/stages/admit.ts";
import { compileFlow, type Section } from "../../../src/stages/flow.ts";
import type { Outcomes, StateAndTimers } from "../../../src/stages/run.ts";
import { type Thing, thingRow, things, thingTable } from "../../support/things.ts";
import { envelopeOf } from "../../support/workbench.ts";

const rows = clickhouse(thingTable("rows"));
const source: PipelineBuilder<Thing> = pipeline("p").from(things());
const thing = (n: number, key = "k"): Thing => ({
  id: `e${n}`,
  type: "thing.happened",
  time: new Date(0),
  key,
  source: "s",
  data: { key, n, orders: [] },
});

/** Writes down what becomes of the events, in order. `isSlow`: states come as promises. */
class Notes implements Outcomes {
  readonly told: (readonly unknown[])[] = [];
  readonly passed: unknown[] = [];
  readonly stored = new Map<string, unknown>();
  readonly moment = { id: "e", time: 0 };
  readonly watermark = 0;
  readonly call = { signal: new AbortController().signal };
  isSlow = false;
  readonly states = {
    now: 0,
    get: (stage: string, key: string) => {
      const state = this.stored.get(`${stage} ${key}`);
      const held = state === undefined ? undefined : { state, timers: {} };
      return this.isSlow ? Promise.resolve(held) : held;
    },
    own: (stage: string, key: string) => this.states.get(stage, key),
    set: (stage: string, key: string, held: StateAndTimers | undefined) => void this.stored.set(`${stage} ${key}`, held?.state),
    takes: () => true,
    startOver: () => {},
  };
  pass(value: unknown): void {
    this.passed.push(value);
  }
  send(destination: string, row: unknown): void {
    this.told.push(["sent", destination, (row as { readonly n: unknown }).n]);
  }
  keep(): void {
    this.told.push(["kept"]);
  }
  drop(reason: string): void {
    this.told.push(["dropped", reason]);
  }
  duplicate(): void {
    this.told.push(["duplicate"]);
  }
  late(stage: string): void {
    this.told.push(["late", stage]);
  }
  deadLetter(letter: { readonly stage: string; readonly reason: string; readonly error: string }): void {
    this.told.push(["dead", letter.stage, letter.reason]);
  }
  caused(): Outcomes {
    return this;
  }
  completed(): Outcomes {
    return this;
  }
}

describe("the stages of a pipeline", () => {
  let notes: Notes;
  beforeEach(() => {
    notes = new Notes();
  });
  const run = (finished: Pipeline, ...events: readonly Thing[]) => {
    const flow = compileFlow(finished.plan);
    const sections: readonly Section[] = flow.kind === "straight" ? [{ kind: "plain", run: flow.run }] : flow.sections;
    return events.map((event) => through([event], sections));
  };
  const through = (values: readonly unknown[], [section, ...rest]: readonly Section[]): void | Promise<void> => {
    if (!section) return;
    const run = section.kind === "keyed" ? section.stage.run : section.run;
    const pending = values.map((value) => run(value, notes)).filter((one) => one instanceof Promise);
    const onward = () => through(notes.passed.splice(0), rest);
    return pending.length > 0 ? Promise.all(pending).then(onward) : onward();
  };
  /** For stages that wait for nothing: they must not return promises either. */
  const runNow = (finished: Pipeline, ...events: readonly Thing[]) => {
    expect(run(finished, ...events).filter(Boolean)).toEqual([]);
  };
  const end = (builder: PipelineBuilder<Thing>) => builder.to(rows, thingRow);

  it("send a row to the only sink under the name 'to'", () => {
    runNow(end(source), thing(1));
    expect(notes.told).toEqual([["sent", "to", 1]]);
  });

  it("filter: drops under the stage's name what does not hold", () => {
    runNow(end(source.filter("odd", ({ data }) => data.n % 2 === 1)), thing(1), thing(2), thing(3));
    expect(notes.told).toEqual([
      ["sent", "to", 1],
      ["dropped", "odd"],
      ["sent", "to", 3],
    ]);
  });

  it("map: answers at once where its function does, and with a promise where it does", async () => {
    const more = (event: Thing) => thing(event.data.n + 1);
    expect(run(end(source.map("more", more)), thing(1))).toEqual([undefined]);
    const [pending] = run(end(source.map("more", async (event) => more(event))), thing(5));
    expect(pending).toBeInstanceOf(Promise);
    await pending;
    expect(notes.told).toEqual([
      ["sent", "to", 2],
      ["sent", "to", 6],
    ]);
  });

  it("flatMap: passes each on, in order, and counts none as a drop under its name", async () => {
    const copies = ({ data }: Thing) => Array.from({ length: data.n }, (_, i) => thing(10 * data.n + i));
    runNow(end(source.flatMap("copies", copies)), thing(0), thing(2));
    await run(end(source.flatMap("copies", async (event) => copies(event))), thing(3))[0];
    expect(notes.told).toEqual([
      ["dropped", "copies"],
      ["sent", "to", 20],
      ["sent", "to", 21],
      ["sent", "to", 30],
      ["sent", "to", 31],
      ["sent", "to", 32],
    ]);
  });

  it("flatMap: keeps the order where a later stage answers some of them late", async () => {
    const finished = end(
      source
        .flatMap("three", () => [thing(1), thing(2), thing(3)])
        .map("wait", (event) => (event.data.n === 2 ? event : Promise.resolve(event))),
    );
    await run(finished, thing(0))[0];
    expect(notes.told).toEqual([
      ["sent", "to", 1],
      ["sent", "to", 2],
      ["sent", "to", 3],
    ]);
  });

  it("flatMap: goes no further where one of them fails", async () => {
    const finished = end(
      source
        .flatMap("three", () => [thing(1), thing(2), thing(3)])
        .map("fail", async (event) => (event.data.n === 2 ? Promise.reject(new Error("no")) : event)),
    );
    await expect(run(finished, thing(0))[0]).rejects.toThrow("no");
    expect(notes.told).toEqual([["sent", "to", 1]]);
  });

  describe("fold", () => {
    const counting = end(
      source.fold("count", {
        key: (event) => event.key,
        initial: { n: 0 },
        decide: (state, event) => {
          if (event.data.n < 0) return drop("negative");
          if (event.data.n > 100) return deadLetter("too much");
          return event.data.n === 0 ? [] : [thing(state.n + event.data.n, event.key)];
        },
        evolve: (_, { data }) => ({ n: data.n }),
      }),
    );

    it("moves the state of each key on, and passes on what was decided", () => {
      runNow(counting, thing(1, "a"), thing(2, "b"), thing(3, "a"));
      expect(notes.told).toEqual([
        ["sent", "to", 1],
        ["sent", "to", 2],
        ["sent", "to", 4],
      ]);
      expect([...notes.stored]).toEqual([
        ["count a", { n: 4 }],
        ["count b", { n: 2 }],
      ]);
    });

    it("moves nothing where it drops or sets aside, and counts nothing decided as a drop under its name", () => {
      runNow(counting, thing(-1), thing(101), thing(0));
      expect(notes.told).toEqual([
        ["dropped", "negative"],
        ["dead", "count", "too much"],
        ["dropped", "count"],
      ]);
      expect([...notes.stored]).toEqual([["count k", { n: 0 }]]);
    });

    it("waits for a state that has to be fetched", async () => {
      notes.isSlow = true;
      notes.stored.set("count k", { n: 40 });
      await run(counting, thing(2))[0];
      expect(notes.told).toEqual([["sent", "to", 42]]);
    });

    it("refuses to store no state", () => {
      const forgetful = end(
        source.fold("f", { key: () => "k", initial: 0, decide: (_, event) => [event], evolve: () => undefined as never }),
      );
      expect(() => run(forgetful, thing(1))).toThrow("fold 'f': evolve returned no state");
      expect(notes.stored.size).toBe(0);
    });
  });

  describe("route", () => {
    const routed = (decide: (event: Thing) => unknown) =>
      source.route({ a: rows, b: rows }, ((event: Thing) => decide(event)) as never);

    it("sends to one destination, or to several, or says why not", () => {
      const finished = source.route({ a: rows, b: rows }, (event, to) => {
        if (event.data.n === 1) return to.a(thingRow(event));
        if (event.data.n === 2) return [to.a(thingRow(event)), to.b(thingRow(event))];
        if (event.data.n === 3) return drop("three");
        return deadLetter("more");
      });
      runNow(finished, thing(1), thing(2), thing(3), thing(4));
      expect(notes.told).toEqual([
        ["sent", "a", 1],
        ["sent", "a", 2],
        ["sent", "b", 2],
        ["dropped", "three"],
        ["dead", "route", "more"],
      ]);
    });

    it.each([
      ["nothing", undefined],
      ["an empty list", []],
      ["a promise", Promise.resolve(drop("late"))],
      ["something else", { kind: "maybe" }],
      ["a list with a hole", [undefined]],
    ])("lets nothing vanish where plain JavaScript returns %s", (_, decision) => {
      expect(() =>
        runNow(
          routed(() => decision),
          thing(1),
        ),
      ).toThrow("the route returned no outcome for this event");
    });
  });
});

describe("the gate of a stream", () => {
  const now = Date.UTC(2026, 5, 1);
  const admit = compileAdmission(things().plan);
  const day = 86_400_000;
  const at = (time: number) => envelopeOf(1, "thing.happened", { key: "k", n: 1 }, time);

  it("makes a typed event, with the key of its data and the stream as source where none is told", () => {
    expect(admit(at(now), now)).toEqual({
      id: at(now).id,
      type: "thing.happened",
      time: new Date(now),
      key: "k",
      source: "things",
      data: { key: "k", n: 1, orders: [] },
    });
    expect(admit({ ...at(now), source: "shop", traceparent: "00-a-b-01" }, now)).toMatchObject({
      source: "shop",
      traceparent: "00-a-b-01",
    });
  });

  it.each([
    ["400 days ago", now - 400 * day, true],
    ["a moment more than that", now - 400 * day - 1, false],
    ["in one day", now + day, true],
    ["a moment later than that", now + day + 1, false],
    ["in 1970", 0, false],
    ["at no time", Number.NaN, false],
    ["beyond all dates", 1e300, false],
  ])("takes a time %s: %s → %s", (_, time, isTaken) => {
    const result = admit(at(time), now);
    expect("reason" in result ? result.reason : "taken").toBe(isTaken ? "taken" : "time-out-of-range");
  });

  it("says which fields do not fit, and never the values", () => {
    expect(admit(envelopeOf(1, "thing.happened", { key: 7, n: "secret" }, now), now)).toEqual({
      reason: "schema",
      error: expect.stringMatching(/^'thing.happened' does not fit its schema: key: .+; n: .+$/),
    });
    expect(JSON.stringify(admit(envelopeOf(1, "thing.happened", { key: "k", n: "secret" }, now), now))).not.toContain("secret");
  });

  it("names what the stream carries where a type is unknown", () => {
    expect(admit(envelopeOf(1, "thing.other", {}, now), now)).toEqual({
      reason: "unknown-type",
      error: "stream 'things' carries no 'thing.other'; it carries thing.happened",
    });
  });

  it("stops everything for a schema that answers with a promise: no event could ever pass", () => {
    const slow = defineEvent(
      "thing.slow",
      z.object({ key: z.string() }).refine(async () => true),
    );
    const gate = compileAdmission(defineStream("slow", { events: [slow] }).plan);
    expect(() => gate(envelopeOf(1, "thing.slow", { key: "k" }, now), now)).toThrow(ConfigError);
  });
});
