import {
  aggregates,
  clickhouse,
  defineAggregate,
  defineApp,
  defineSchedule,
  drop,
  type Pipeline,
  type PipelineBuilder,
  pipeline,
  startWorkflow,
  toStream,
} from "headrace";
import { describe, expect, test } from "tstyche";
import { alerts, attackSuspected, checkout, type Failed, type Login, logins, rows, source, table } from "./logins.ts";

describe("each verb", () => {
  test("filter keeps the type, and a comparison of types narrows it", () => {
    expect(source.filter("known", (event) => event.data.userId !== "")).type.toBe<PipelineBuilder<Login>>();
    expect(source.filter("failures", (event) => event.type === "login.failed")).type.toBe<PipelineBuilder<Failed>>();
    expect(source.filter("failures", (event): event is Failed => event.type === "login.failed")).type.toBe<
      PipelineBuilder<Failed>
    >();
    source.filter("callback", (event) => {
      expect(event).type.toBe<Login>();
      return true;
    });
    // @ts-expect-error Type 'Promise<boolean>' is not assignable to type 'boolean'
    source.filter("async", async () => true);
  });

  test("map gives what its function returns, awaited", () => {
    expect(source.map("user", (event) => event.data.userId)).type.toBe<PipelineBuilder<string>>();
    expect(source.map("user", async (event) => ({ user: event.data.userId }))).type.toBe<PipelineBuilder<{ user: string }>>();
    source.map("ask", (_, { signal }) => expect(signal).type.toBe<AbortSignal>());
    source.flatMap("ask", (_, { signal }) => [expect(signal).type.toBe<AbortSignal>()]);
    source
      .filter("failures", (event) => event.type === "login.failed")
      .map("callback", (event) => {
        expect(event).type.toBe<Failed>();
        return event;
      });
  });

  test("flatMap gives the elements", () => {
    expect(source.flatMap("both", (event) => [event, event])).type.toBe<PipelineBuilder<Login>>();
    expect(source.flatMap("letters", async (event) => event.data.userId.split(""))).type.toBe<PipelineBuilder<string>>();
    // @ts-expect-error is not assignable to type
    source.flatMap("set", (event) => new Set([event]));
  });

  test("enrich gives what was combined of the value and what was found, awaited", () => {
    const enriched = source.enrich("country", {
      key: (event) => {
        expect(event).type.toBe<Login>();
        return event.data.userId;
      },
      look: async (key, { signal }) => {
        expect(key).type.toBe<string>();
        expect(signal).type.toBe<AbortSignal>();
        return key === "" ? undefined : { country: key };
      },
      combine: (event, found) => {
        expect(event).type.toBe<Login>();
        expect(found).type.toBe<{ country: string } | undefined>();
        return { id: event.id, country: found?.country };
      },
    });
    expect(enriched).type.toBe<PipelineBuilder<{ id: string; country: string | undefined }>>();
    source.enrich("cached", { key: (event) => event.key, look: () => 1, combine: (_, n) => n, maxEntries: 10, ttlMs: 1_000 });
    // @ts-expect-error Type 'number' is not assignable to type 'string'
    source.enrich("key", { key: () => 1, look: () => 1, combine: (event) => event });
    // @ts-expect-error 'maxKeys' does not exist in type
    source.enrich("bound", { key: (event) => event.key, look: () => 1, combine: (event) => event, maxKeys: 1 });
  });

  test("fold gives what was decided, and knows its state", () => {
    const folded = source.fold("count", {
      key: (event) => {
        expect(event).type.toBe<Login>();
        return event.data.userId;
      },
      initial: { failures: 0 },
      decide: (state, event) => {
        expect(state).type.toBe<{ failures: number }>();
        expect(event).type.toBe<Login>();
        return event.type === "login.failed" ? [{ user: event.key, failures: state.failures + 1 }] : drop("fine");
      },
      evolve: (state, decided) => {
        expect(state).type.toBe<{ failures: number }>();
        expect(decided).type.toBe<{ user: string; failures: number }>();
        return { failures: decided.failures };
      },
    });
    expect(folded).type.toBe<PipelineBuilder<{ user: string; failures: number }>>();
  });

  test("fold keeps its state's type", () => {
    source.fold("count", {
      key: (event) => event.key,
      initial: { failures: 0 },
      decide: (_, event) => [event],
      // @ts-expect-error Type 'string' is not assignable to type 'number'
      evolve: (state) => ({ failures: `${state.failures}` }),
    });
  });

  test("to, emit and route end the pipeline", () => {
    expect(source.to(rows, (event) => ({ event_id: event.id, at: event.time, outcome: "success" }))).type.toBe<Pipeline>();
    expect(source.emit(alerts, (event) => attackSuspected({ userId: event.data.userId, failures: 1 }))).type.toBe<Pipeline>();
    expect(source.route({ rows }, () => drop("all"))).type.toBe<Pipeline>();
    expect<Pipeline>().type.not.toHaveProperty("filter");
    expect(defineApp).type.toBeCallableWith({
      pipelines: [source.emit(alerts, () => attackSuspected({ userId: "u", failures: 1 }))],
    });
    expect(defineApp).type.not.toBeCallableWith({ pipelines: [source] });
  });

  test("there is no window without a key", () => {
    expect(source).type.not.toHaveProperty("window");
    expect(source).type.not.toHaveProperty("aggregate");
    expect(pipeline("empty")).type.not.toHaveProperty("to");
  });
});

describe("guards", () => {
  const all = {
    retry: { attempts: 3, initialMs: 50, maxMs: 1_000 },
    timeoutMs: 500,
    concurrency: 8,
    rateLimit: { perSecond: 50, burst: 10, shared: "geo-api" },
    breaker: { failures: 10, openMs: 5_000 },
  };

  test("stand behind a stage's function, and change no type", () => {
    expect(source.map("user", async (event) => event.data.userId, all)).type.toBe<PipelineBuilder<string>>();
    expect(source.flatMap("users", (event) => [event.data.userId], all)).type.toBe<PipelineBuilder<string>>();
    // @ts-expect-error 'timeout' does not exist in type 'StageGuards
    source.map("user", (event) => event, { timeout: 500 });
  });

  test("of a stage know its values", () => {
    source.map("user", (event) => event, {
      rateLimit: {
        perSecond: 50,
        cost: (event) => {
          expect(event).type.toBe<Login>();
          return event.data.userId.length;
        },
      },
    });
    source.enrich(
      "user",
      { key: (event) => event.key, look: (key) => key, combine: (event) => event },
      {
        rateLimit: { perSecond: 50, cost: (key) => key.length },
      },
    );
    // @ts-expect-error Type 'string' is not assignable to type 'number'
    source.map("user", (event) => event, { rateLimit: { perSecond: 50, cost: (event) => event.key } });
    // @ts-expect-error 'cost' does not exist in type
    pipeline("p").from(logins, { rateLimit: { perSecond: 5, cost: () => 1 } });
  });

  test("stand behind the streams of a source, and change no type", () => {
    const { rateLimit } = all;
    expect(pipeline("p").from(logins, { rateLimit })).type.toBe<PipelineBuilder<Login>>();
    expect(pipeline("p").from(logins, logins, { rateLimit: { perSecond: 5, shared: true } })).type.toBe<PipelineBuilder<Login>>();
    // @ts-expect-error A source has no breaker: while Redis is away nothing can be read anyway
    pipeline("p").from(logins, { breaker: all.breaker });
    // @ts-expect-error A source has no retry: reading goes on by itself when Redis is back
    pipeline("p").from(logins, { retry: all.retry });
    // @ts-expect-error 'rateLimit' does not exist in type 'Stream<unknown>'
    pipeline("p").from({ rateLimit });
  });

  test("stand among a sink's options", () => {
    const { rateLimit, breaker } = all;
    clickhouse(table, { rateLimit, breaker, profile: "low-latency", maxRows: 500 });
    clickhouse(table, { rateLimit, profile: "default", minIntervalMs: 500 });
    startWorkflow(checkout, { taskQueue: "q", workflowId: (input) => input.id, rateLimit, breaker, concurrency: 4 });
    expect(toStream(alerts, { rateLimit })).type.toBe(toStream(alerts));
    // @ts-expect-error The low-latency profile has no minIntervalMs: it inserts as soon as no insert is under way
    clickhouse(table, { profile: "low-latency", minIntervalMs: 50 });
    // @ts-expect-error A stream sink has no breaker: its stream is in the Redis that is read
    toStream(alerts, { breaker });
    // @ts-expect-error A ClickHouse sink has no concurrency: one insert of a table is under way at a time
    clickhouse(table, { concurrency: 4 });
  });

  test("a schedule gives its workflow the input that it takes", () => {
    const when = { taskQueue: "q", everyMs: 5 };
    defineSchedule("sweep", async () => {}, when);
    defineSchedule("orders", checkout, { ...when, input: { id: "o", lines: [] } });
    // @ts-expect-error The workflow takes no input
    defineSchedule("sweep", async () => {}, { ...when, input: 5 });
    // @ts-expect-error Property 'input' is missing
    defineSchedule("orders", checkout, when);
    // @ts-expect-error is missing the following properties from type 'Order'
    defineSchedule("orders", checkout, { ...when, input: {} });
  });
});

describe("an aggregate", () => {
  test("is over columns of its table", () => {
    defineAggregate("first_seen", {
      from: table,
      groupBy: ["outcome"],
      columns: { first: aggregates.min("at"), ids: aggregates.uniqExact("event_id") },
    });
    // @ts-expect-error Type '"att"' is not assignable to type
    defineAggregate("first_seen", { from: table, groupBy: ["outcome"], columns: { first: aggregates.min("att") } });
    // @ts-expect-error Type '"user"' is not assignable to type
    defineAggregate("first_seen", { from: table, groupBy: ["user"], columns: { first: aggregates.min("at") } });
  });

  test("that repeats would falsify is refused, with the way out", () => {
    // @ts-expect-error a sum would be too high. Sum in a defineRollup.
    aggregates.sum("attempts");
    // @ts-expect-error a count would be too high. Count in a defineRollup.
    aggregates.count();
    // @ts-expect-error an average would be wrong. Average in a defineRollup.
    aggregates.avg("attempts");
  });
});
