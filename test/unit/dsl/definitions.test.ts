import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ConfigError } from "../../../src/core/errors.ts";
import { aggregates } from "../../../src/dsl/aggregate.ts";
import { defineApp } from "../../../src/dsl/app.ts";
import { defineEvent } from "../../../src/dsl/event.ts";
import { deadLetter, drop } from "../../../src/dsl/outcome.ts";
import { pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse, startWorkflow, toStream } from "../../../src/dsl/sinks.ts";
import { defineStream } from "../../../src/dsl/stream.ts";
import { defineView } from "../../../src/dsl/view.ts";
import { thingHappened, thingRow, things, thingTable } from "../../support/things.ts";

const refusal = (make: () => unknown): ConfigError => {
  try {
    make();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).code).toBe("config.invalid");
    expect((error as ConfigError).hint).toMatch(/\.$/);
    return error as ConfigError;
  }
  throw new Error("it was accepted");
};

const schema = z.object({ key: z.string() });
const events = [thingHappened];
const table = thingTable("rows");
const adopted = defineStream("theirs", { events, adopt: "app:things" });
const source = pipeline("p").from(things());

describe("a definition", () => {
  it.each(["login", "Login.succeeded", "login.", ".login", "login succeeded.x", "login.succeeded\n", "1.a", "login..x", ""])(
    "refuses the event name %j",
    (name) => {
      expect(refusal(() => defineEvent(name, schema)).message).toContain("is not a name for an event");
    },
  );

  it.each(["login.succeeded", "a.b", "cart.item_added", "a1.b2.c3"])("takes the event name %j", (name) => {
    expect(defineEvent(name, schema).plan).toMatchObject({ kind: "event", type: name, version: 1 });
  });

  it.each(["Logins", "1logins", "log ins", "logins/x", "", "{x}", "logins:x"])(
    "refuses the name %j for a stream and for a pipeline",
    (name) => {
      expect(refusal(() => defineStream(name, { events })).message).toContain("not a name for a stream");
      expect(refusal(() => pipeline(name)).message).toContain("not a name for a pipeline");
    },
  );

  it.each([0, -1, 1.5, 1_025, Number.NaN])("refuses %d partitions", (partitions) => {
    expect(refusal(() => defineStream("logins", { events, partitions })).message).toBe(
      `stream 'logins': ${partitions} partitions`,
    );
  });

  it("keeps what is finished for a day where a stream says nothing else, and an adopted one for ever", () => {
    const of = (options: object) => defineStream("logins", { events, ...options }).plan.retention;
    expect(of({})).toEqual({ maxAgeMs: 86_400_000 });
    expect(of({ retention: { maxEntries: 10 } })).toEqual({ maxEntries: 10 });
    expect(of({ retention: "forever" })).toBeUndefined();
    expect(of({ adopt: "app:logins" })).toBeUndefined();
    expect(of({ adopt: "app:logins", retention: { maxAgeMs: 0 } })).toEqual({ maxAgeMs: 0 });
  });

  it.each([{}, { maxAgeMs: -1 }, { maxAgeMs: 0.5 }, { maxEntries: 0 }, { maxBytes: Number.NaN }, { maxDays: 3 }])(
    "refuses the retention %j, of an own stream and of an adopted one",
    (retention) => {
      expect(refusal(() => defineStream("logins", { events, retention })).message).toContain("retention");
      expect(refusal(() => defineStream("logins", { events, adopt: "x", retention })).message).toContain("retention");
    },
  );

  it.each([1, 8, 1_024])("takes %d partitions", (partitions) => {
    expect(defineStream("logins", { events, partitions }).plan.layout).toEqual({ kind: "partitioned", partitions });
  });

  it("has 8 partitions where nothing is said, and one Redis stream where it is adopted", () => {
    expect(defineStream("logins", { events }).plan.layout).toEqual({ kind: "partitioned", partitions: 8 });
    expect(adopted.plan.layout).toEqual({ kind: "adopted", redisKey: "app:things" });
  });

  it("refuses a stream without events, or with one twice", () => {
    expect(refusal(() => defineStream("logins", { events: [] })).message).toBe("stream 'logins': carries no events");
    expect(refusal(() => defineStream("logins", { events: [thingHappened, thingHappened] })).message).toBe(
      "stream 'logins': lists 'thing.happened' twice",
    );
  });

  it.each(["1rows", "ro ws", "", "rows;", "x".repeat(129), "rows`"])("refuses the table name %j", (name) => {
    expect(refusal(() => thingTable(name)).message).toContain("cannot be the name of a table");
    expect(refusal(() => defineView(name, "SELECT 1")).message).toContain("cannot be the name of a view");
  });

  it("refuses a view that is no SELECT", () => {
    expect(refusal(() => defineView("v", "DROP TABLE rows")).message).toBe("The view 'v' is not a SELECT");
  });

  it("refuses aggregates that repeats would falsify, also for those who do not type-check", () => {
    for (const name of ["sum", "count", "avg"] as const)
      expect(refusal(() => (aggregates[name] as unknown as () => void)()).message).toContain(
        "A materialised view sees repeated rows",
      );
  });

  it("makes drafts of its events", () => {
    const at = new Date(7);
    expect(thingHappened({ key: "k", n: 1, orders: [] }, { time: at })).toEqual({
      type: "thing.happened",
      data: { key: "k", n: 1, orders: [] },
      time: at,
    });
    expect(thingHappened({ key: "k", n: 1, orders: [] })).not.toHaveProperty("time");
  });
});

describe("a pipeline", () => {
  it("refuses two stages of one name, and a stream that it reads twice", () => {
    expect(refusal(() => source.filter("x", () => true).map("x", (event) => event)).message).toBe(
      "pipeline 'p': two stages are called 'x'",
    );
    expect(refusal(() => pipeline("p").from(things(), things())).message).toBe("pipeline 'p': reads stream 'things' twice");
  });

  it("refuses to write into a stream that another program writes", () => {
    expect(refusal(() => source.emit(adopted, ({ data }) => thingHappened(data))).message).toBe(
      "stream 'theirs' is adopted: another program writes it",
    );
    expect(refusal(() => toStream(adopted)).message).toContain("is adopted");
  });

  it("refuses to start a workflow without a name", () => {
    expect(
      refusal(() =>
        startWorkflow(
          (
            () => async (input: string) =>
              input
          )(),
          { taskQueue: "q", workflowId: (id) => id },
        ),
      ).message,
    ).toContain("has no name");
  });

  it("refuses a search attribute of no type, or without a value, and names it", () => {
    async function flow(input: string) {
      return input;
    }
    const starting = (attribute: object) =>
      refusal(() =>
        startWorkflow(flow, { taskQueue: "q", workflowId: (id) => id, searchAttributes: { Size: attribute as never } }),
      ).message;
    expect(starting({ type: "keyword", value: (id: string) => id })).toBe(
      `startWorkflow 'flow': searchAttributes: Size: type is "keyword"`,
    );
    expect(starting({ type: "Keyword" })).toContain("Size has no 'value'");
    expect(starting({ type: "Keyword", value: "large" })).toContain('Size: value is "large"');
  });

  it("leaves the builder that a verb is called on as it was, so that a beginning can be shared", () => {
    const shared = source.filter("shared", () => true);
    const one = shared.map("one", (event) => event).to(clickhouse(table), thingRow);
    const two = shared.to(clickhouse(table), thingRow);
    expect(one.plan.stages.map(({ name }) => name)).toEqual(["shared", "one"]);
    expect(two.plan.stages.map(({ name }) => name)).toEqual(["shared"]);
  });

  it("is inert data: nothing is called when it is defined", () => {
    const never = () => {
      throw new Error("called");
    };
    expect(source.filter("f", never).map("m", never).to(clickhouse(table), never).plan).toMatchObject({
      kind: "pipeline",
      name: "p",
      end: { kind: "to", sink: { kind: "clickhouse" } },
    });
  });
});

describe("an outcome", () => {
  it("carries its reason", () => {
    expect([drop("old"), deadLetter("odd")]).toEqual([
      { kind: "dropped", reason: "old" },
      { kind: "deadLettered", reason: "odd" },
    ]);
  });
});

describe("an application", () => {
  const one = source.to(clickhouse(table), thingRow);

  it("finds the streams and tables of its pipelines, each once", () => {
    const derived = defineStream("derived", { events });
    const stream = things();
    const app = defineApp({
      pipelines: [
        pipeline("a").from(stream).to(clickhouse(table), thingRow),
        pipeline("b")
          .from(stream)
          .emit(derived, ({ data }) => thingHappened(data)),
      ],
      streams: [derived],
      tables: [table, defineView("v", "SELECT 1")],
    });
    expect(app.plan.streams.map(({ name }) => name)).toEqual(["things", "derived"]);
    expect(app.plan.tables.map(({ name }) => name)).toEqual(["rows", "v"]);
  });

  it("refuses two different definitions of one name", () => {
    const other = pipeline("other").from(things()).to(clickhouse(table), thingRow);
    expect(refusal(() => defineApp({ pipelines: [one, other] })).message).toBe("two different streams are called 'things'");
    const again = pipeline("again")
      .from(defineStream("others", { events }))
      .to(clickhouse(thingTable("rows")), thingRow);
    expect(refusal(() => defineApp({ pipelines: [one, again] })).message).toBe("two different tables are called 'rows'");
    expect(refusal(() => defineApp({ pipelines: [one], tables: [defineView("rows", "SELECT 1")] })).message).toBe(
      "two different tables are called 'rows'",
    );
  });
});
