import { describe, expect, it } from "vitest";
import { count } from "../../../src/dsl/aggregators/numbers.ts";
import { defineApp } from "../../../src/dsl/app.ts";
import { c as column } from "../../../src/dsl/columns.ts";
import { drop } from "../../../src/dsl/outcome.ts";
import { type Pipeline, pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse, type StartWorkflowOptions, startWorkflow, toStream } from "../../../src/dsl/sinks.ts";
import { defineStream } from "../../../src/dsl/stream.ts";
import { defineTable } from "../../../src/dsl/table.ts";
import { tumbling } from "../../../src/dsl/window.ts";
import { checkApp } from "../../../src/plan/check.ts";
import { describe as describePipeline } from "../../../src/plan/describe.ts";
import { thingHappened, thingRow, thingTable } from "../../support/things.ts";

const stream = (name: string) => defineStream(name, { events: [thingHappened], partitions: 2 });
const table = thingTable("rows");
const [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(stream) as [
  ReturnType<typeof stream>,
  ReturnType<typeof stream>,
  ReturnType<typeof stream>,
  ReturnType<typeof stream>,
  ReturnType<typeof stream>,
];
const copy = (name: string, from: typeof a, to: typeof a): Pipeline =>
  pipeline(name)
    .from(from)
    .emit(to, ({ data }) => thingHappened(data));
const store = (name: string, from = a): Pipeline => pipeline(name).from(from).to(clickhouse(table), thingRow);
const limited = (name: string, perSecond: number, shared: string | boolean): Pipeline =>
  pipeline(name)
    .from(a)
    .map("ask", (event) => event, { rateLimit: { perSecond, shared } })
    .to(clickhouse(table), thingRow);
const check = (...pipelines: readonly Pipeline[]) => checkApp(defineApp({ pipelines }).plan);

describe("the check of an application", () => {
  it("finds nothing in a sound one", () => {
    expect(check(copy("a-to-b", a, b), copy("a-to-c", a, c), copy("b-to-c", b, c), store("store", c))).toEqual([]);
  });

  it("finds that there are no pipelines", () => {
    expect(check()).toMatchObject([{ code: "no-pipelines", where: "app" }]);
  });

  it("finds two pipelines of one name", () => {
    expect(check(store("store"), store("store", b), store("other"))).toMatchObject([
      { code: "duplicate-name", where: "pipeline 'store'", message: expect.stringContaining("two pipelines are called 'store'") },
    ]);
  });

  it("finds tables in which a late insert would win, since nothing says which row of a key is newer", () => {
    const columns = { key: column.string(), n: column.int64(), at: column.dateTime64(3), event_id: column.uuid() } as const;
    const into = (name: string, options: object) =>
      pipeline(name)
        .from(a)
        .to(clickhouse(defineTable(name.replaceAll("-", "_"), { columns, orderBy: ["key"], ...options })), thingRow as never);
    const early = pipeline("early")
      .from(a)
      .keyBy((event) => event.key)
      .window(tumbling({ sizeMs: 60_000, early: true }))
      .aggregate({ n: count() })
      .to(
        clickhouse(
          defineTable("early_results", {
            columns: { key: column.string(), since: column.dateTime64(3) },
            orderBy: ["key", "since"],
          }),
        ),
        ({ key, start }) => ({ key, since: start }),
      );
    const version = { engine: { kind: "replacingMergeTree", version: "at" } };
    const unchanging = { engine: { kind: "replacingMergeTree", unchanging: true } };
    expect(
      check(
        into("sound-by-version", version),
        into("sound-by-word", unchanging),
        into("sound-by-id", { orderBy: ["key", "event_id"] }),
        into("sound-by-time", { orderBy: ["key", "at"] }),
        into("keeps-all", { engine: { kind: "mergeTree" } }),
        into("unsure", {}),
        early,
      ),
    ).toMatchObject([
      {
        code: "no-version",
        where: "table 'unsure'",
        message: expect.stringContaining("since it holds neither a time nor an id"),
        hint: expect.stringContaining("version"),
      },
      {
        code: "no-version",
        where: "table 'early_results'",
        message: expect.stringContaining("pipeline 'early' tell results early"),
      },
    ]);
  });

  it("finds two streams on one Redis key", () => {
    const first = defineStream("first", { events: [thingHappened], adopt: "app:things" });
    const second = defineStream("second", { events: [thingHappened], adopt: "app:things" });
    const intruder = defineStream("intruder", { events: [thingHappened], adopt: "hr:{a:01}:s" });
    expect(check(store("one", first), store("two", second), store("three", a), store("four", intruder))).toMatchObject([
      { code: "key-clash", where: "stream 'second'", message: "it lies on the Redis key 'app:things', as does stream 'first'" },
      {
        code: "key-clash",
        where: "stream 'intruder'",
        message: "it lies on the Redis key 'hr:{a:01}:s', as does a partitioned stream",
      },
    ]);
  });

  it("finds a pipeline that feeds itself", () => {
    expect(check(copy("echo", a, a))).toMatchObject([
      { code: "cycle", where: "pipeline 'echo'", message: "the pipelines feed each other in a circle: a ─echo─▶ a" },
    ]);
  });

  it("prints a circle as a path, from wherever one gets into it", () => {
    expect(
      check(copy("in", d, b), copy("b-to-c", b, c), copy("c-to-a", c, a), copy("a-to-b", a, b), copy("out", c, e)),
    ).toMatchObject([
      {
        code: "cycle",
        where: "pipeline 'b-to-c', pipeline 'c-to-a', pipeline 'a-to-b'",
        message: "the pipelines feed each other in a circle: b ─b-to-c─▶ c ─c-to-a─▶ a ─a-to-b─▶ b",
        hint: expect.stringContaining("stream"),
      },
    ]);
  });

  it("finds each of two circles, also where they share a stream", () => {
    const apart = check(copy("a-to-b", a, b), copy("b-to-a", b, a), copy("c-to-d", c, d), copy("d-to-c", d, c));
    expect(apart.map(({ message }) => message.split(": ")[1])).toEqual([
      "a ─a-to-b─▶ b ─b-to-a─▶ a",
      "c ─c-to-d─▶ d ─d-to-c─▶ c",
    ]);
    const shared = check(copy("a-to-b", a, b), copy("b-to-a", b, a), copy("a-to-c", a, c), copy("c-to-a", c, a));
    expect(shared.map(({ message }) => message.split(": ")[1])).toEqual([
      "a ─a-to-b─▶ b ─b-to-a─▶ a",
      "a ─a-to-c─▶ c ─c-to-a─▶ a",
    ]);
  });

  it("sees through pipelines with several sources and destinations", () => {
    const both = pipeline("both")
      .from(a, b)
      .route({ c: toStream(c), rows: clickhouse(table) }, () => drop("all"));
    expect(check(both, copy("back", c, b))).toMatchObject([{ code: "cycle", where: "pipeline 'back', pipeline 'both'" }]);
  });

  it("takes two ways to one stream for no circle", () => {
    expect(check(copy("a-to-b", a, b), copy("a-to-c", a, c), copy("b-to-d", b, d), copy("c-to-d", c, d))).toEqual([]);
  });

  it("finds one shared limit with two rates; where nothing is shared, each place has its own", () => {
    const [one, two] = [limited("one", 5, "api"), limited("two", 10, "api")];
    expect(check(one, two)).toEqual([
      {
        code: "limit-clash",
        where: "stage 'ask' of pipeline 'two'",
        message:
          "the shared limit 'api' is 10 a second and 1 at once here, and 5 a second and 1 at once at stage 'ask' of pipeline 'one'",
        hint: "Give both the same numbers, or two names.",
      },
    ]);
    expect(check(one, limited("two", 5, "api"))).toEqual([]);
    expect(check(limited("one", 5, true), limited("two", 10, true), limited("three", 20, false))).toEqual([]);
  });

  it("finds two writers of one target whose guards differ: they share them", () => {
    const guards = { breaker: { failures: 5, openMs: 1_000 } };
    const guarded = (name: string): Pipeline => pipeline(name).from(a).to(clickhouse(table, guards), thingRow);
    expect(check(store("plain"), guarded("guarded"))).toMatchObject([
      {
        code: "guards-clash",
        where: "pipeline 'guarded'",
        message: "its guards of clickhouse rows are breaker after 5 failures for 1000 ms, and those in pipeline 'plain' are none",
      },
    ]);
    expect(check(guarded("one"), guarded("two"))).toEqual([]);
  });

  it("finds a search attribute of two types, among pipelines or beside those of sagas", () => {
    async function flow(input: { readonly id: string }) {
      return input.id;
    }
    const starting = (name: string, searchAttributes: StartWorkflowOptions<{ readonly id: string }>["searchAttributes"]) =>
      pipeline(name)
        .from(a)
        .to(
          startWorkflow(flow, { taskQueue: "q", workflowId: ({ id }) => id, ...(searchAttributes && { searchAttributes }) }),
          ({ id }) => ({ id }),
        );
    const keyword = { type: "Keyword", value: ({ id }: { readonly id: string }) => id } as const;
    const int = { type: "Int", value: () => 1 } as const;
    expect(check(starting("one", { Size: keyword }), starting("two", { Size: keyword, SagaStep: keyword }))).toEqual([]);
    expect(check(starting("one", { Size: keyword }), starting("two", { Size: int, SagaStep: int }))).toEqual([
      {
        code: "attribute-clash",
        where: "pipeline 'two'",
        message: "the search attribute 'Size' is Int here, and Keyword in pipeline 'one'",
        hint: "Give it one type, or two names.",
      },
      {
        code: "attribute-clash",
        where: "pipeline 'two'",
        message: "the search attribute 'SagaStep' is Int here, and Keyword of sagas",
        hint: "Give it one type, or two names.",
      },
    ]);
  });
});

describe("a pipeline in words", () => {
  it("names its sources, stages and sinks, a line each", () => {
    const adopted = defineStream("theirs", { events: [thingHappened], adopt: "app:things" });
    async function checkout(input: { readonly id: string }) {
      return input.id;
    }
    const whole = pipeline("whole")
      .from(a, adopted)
      .filter("some", () => true)
      .map("same", (event) => event)
      .flatMap("twice", (event) => [event, event])
      .fold("count", { key: (event) => event.key, initial: 0, decide: (_, event) => [event], evolve: (n) => n + 1 })
      .route(
        {
          rows: clickhouse(table),
          flow: startWorkflow(checkout, { taskQueue: "sagas", workflowId: ({ id }) => id }),
          out: toStream(b),
        },
        () => drop("all"),
      );
    expect(describePipeline(whole)).toBe(
      [
        "whole",
        "  from    a (2 partitions)",
        "  from    theirs (adopted: app:things)",
        "  filter  some",
        "  map     same",
        "  flatMap twice",
        "  fold    count",
        "  route   rows → clickhouse rows",
        "  route   flow → temporal checkout on sagas",
        "  route   out → stream b",
      ].join("\n"),
    );
    expect(describePipeline(store("store"))).toBe("store\n  from    a (2 partitions)\n  to      clickhouse rows");
  });

  it("tells the guards of its source, its stages and its sinks", () => {
    const guarded = pipeline("guarded")
      .from(a, b, { rateLimit: { perSecond: 1_000, shared: true } })
      .map("ask", (event) => event, {
        retry: { attempts: 3, initialMs: 50, maxMs: 1_000 },
        timeoutMs: 500,
        concurrency: 8,
        rateLimit: { perSecond: 50, burst: 10, shared: "geo-api" },
        breaker: { failures: 10, openMs: 5_000 },
      })
      .to(clickhouse(table, { rateLimit: { perSecond: 2 }, breaker: { failures: 5, openMs: 1_000 } }), thingRow);
    expect(describePipeline(guarded)).toBe(
      [
        "guarded",
        "  from    a (2 partitions)",
        "  from    b (2 partitions)",
        "  at most 1000 a second of all workers, 100 at once after a rest",
        "  map     ask (retry 3 times, 8 at once, breaker after 10 failures for 5000 ms, 50 a second shared as 'geo-api', 10 at once after a rest, time-out 500 ms)",
        "  to      clickhouse rows (breaker after 5 failures for 1000 ms, 2 a second, 1 at once after a rest)",
      ].join("\n"),
    );
  });
});
