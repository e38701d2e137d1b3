import {
  aggregates,
  c,
  clickhouse,
  type Decision,
  deadLetter,
  defineAggregate,
  defineApp,
  defineEvent,
  defineSchedule,
  defineStream,
  defineTable,
  drop,
  type Event,
  type EventDraft,
  type EventOf,
  type Pipeline,
  type PipelineBuilder,
  pipeline,
  type Sent,
  type Stream,
  startWorkflow,
  toStream,
} from "headrace";
import { match } from "ts-pattern";
import { describe, expect, test } from "tstyche";
import { z } from "zod";

const loginSucceeded = defineEvent("login.succeeded", z.object({ userId: z.string(), ip: z.string() }), {
  key: (data) => data.userId,
});
const loginFailed = defineEvent("login.failed", z.object({ userId: z.string(), reason: z.string().optional() }), {
  key: (data) => data.userId,
});
const attackSuspected = defineEvent("login.attack_suspected", z.object({ userId: z.string(), failures: z.number() }));
type Succeeded = Event<"login.succeeded", { userId: string; ip: string }>;
type Failed = Event<"login.failed", { userId: string; reason?: string | undefined }>;
type Login = Succeeded | Failed;

const logins = defineStream("logins", { events: [loginSucceeded, loginFailed] });
const alerts = defineStream("alerts", { events: [attackSuspected] });
const table = defineTable("login_events", {
  columns: {
    event_id: c.uuid(),
    at: c.dateTime64(3),
    outcome: c.enum(["success", "failure"]),
    country: c.string().default(""),
    attempts: c.uint32().default(0),
  },
  orderBy: ["at", "event_id"],
});
const rows = clickhouse(table);
interface Order {
  readonly id: string;
  readonly lines: { readonly sku: string; readonly kind: "physical" | "digital" }[];
}
const checkout = async (input: Order) => input.id;
const checkouts = startWorkflow(checkout, { taskQueue: "checkout", workflowId: (input) => input.id });
const source = pipeline("logins").from(logins);

describe("events and streams", () => {
  test("an event has the type of its schema, and its definition makes drafts", () => {
    expect<EventOf<typeof loginSucceeded>>().type.toBe<Succeeded>();
    expect(loginSucceeded({ userId: "u", ip: "i" })).type.toBe<EventDraft<"login.succeeded", { userId: string; ip: string }>>();
    expect(loginSucceeded).type.not.toBeCallableWith({ userId: "u" });
  });

  test("a stream carries the union of its events", () => {
    expect(logins).type.toBeAssignableTo<Stream<Login>>();
    expect(source).type.toBe<PipelineBuilder<Login>>();
  });

  test("several streams are read as one", () => {
    expect(pipeline("both").from<Login | EventOf<typeof attackSuspected>>(logins, alerts)).type.toBe<
      PipelineBuilder<Login | EventOf<typeof attackSuspected>>
    >();
  });

  test("the key is a function of the data", () => {
    // @ts-expect-error Property 'usrId' does not exist
    defineEvent("login.tried", z.object({ userId: z.string() }), { key: (data) => data.usrId });
    // @ts-expect-error Type 'number' is not assignable to type 'string'
    defineEvent("login.tried", z.object({ tries: z.number() }), { key: (data) => data.tries });
  });
});

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
    // @ts-expect-error 'timeout' does not exist in type 'GuardsPlan'
    source.map("user", (event) => event, { timeout: 500 });
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

describe("a row", () => {
  const row = (event: Login) => ({ event_id: event.id, at: event.time, outcome: "success" as const });

  test("may leave out what has a default, and keeps literals that the column knows", () => {
    source.to(rows, (event) => ({
      event_id: event.id,
      at: event.time,
      outcome: event.type === "login.failed" ? "failure" : "success",
      country: "PL",
    }));
    source.to(rows, row);
    source.to(rows, (event) => {
      if (event.type === "login.failed") return { event_id: event.id, at: event.time, outcome: "failure" };
      return { event_id: event.id, at: event.time, outcome: "success", country: undefined };
    });
    source.route({ rows }, (event, to) => to.rows(row(event)));
  });

  test("has no other columns", () => {
    // @ts-expect-error TypeHint<"The sink has no column 'cuntry'">
    source.to(rows, (event) => ({ event_id: event.id, at: event.time, outcome: "success", cuntry: "PL" }));
    // @ts-expect-error TypeHint<"The sink has no column 'cuntry'">
    source.to(rows, (event) => ({ ...row(event), cuntry: "PL" }));
    // @ts-expect-error TypeHint<"The sink has no column 'outcom'">
    source.to(rows, (event) => ({ event_id: event.id, at: event.time, outcom: "success" }));
    // @ts-expect-error TypeHint<"The sink has no column 'cuntry'">
    source.route({ rows }, (event, to) => to.rows({ ...row(event), cuntry: "PL" }));
  });

  test("has all the columns that it needs", () => {
    // @ts-expect-error TypeHint<"The row lacks the column 'at'">
    source.to(rows, (event) => ({ event_id: event.id, outcome: "success" }));
    // @ts-expect-error TypeHint<"The row lacks the column 'at'">
    source.route({ rows }, (event, to) => to.rows({ event_id: event.id, outcome: "success" }));
    const some = { event_id: "e", outcome: "success" } as const;
    // @ts-expect-error TypeHint<"The row lacks the column 'at'">
    source.to(rows, (event) => (event.type === "login.failed" ? row(event) : some));
  });

  test("has columns of the right type", () => {
    // @ts-expect-error Type 'string' is not assignable to type 'number'
    source.to(rows, (event) => ({ event_id: event.id, at: event.time, outcome: "success", attempts: "seven" }));
    // @ts-expect-error Type '"lost"' is not assignable to type
    source.to(rows, (event) => ({ event_id: event.id, at: event.time, outcome: "lost" }));
    // @ts-expect-error Type 'undefined' is not assignable to type
    source.to(rows, (event) => (event.type === "login.failed" ? row(event) : undefined));
    // @ts-expect-error Type 'Promise<{
    source.to(rows, async (event) => row(event));
  });

  test("of a workflow is its input", () => {
    source.to(checkouts, (event) => ({ id: event.id, lines: [{ sku: "a", kind: "digital" }] }));
    source.route({ checkouts }, (event, to) => to.checkouts({ id: event.id, lines: [{ sku: "a", kind: "digital" }] }));
    startWorkflow(checkout, {
      taskQueue: "checkout",
      searchAttributes: {
        Order: { type: "Keyword", value: (input) => input.id },
        Lines: { type: "Int", value: ({ lines }) => lines.length || undefined },
        // @ts-expect-error Type 'number' is not assignable to type 'Date'
        At: { type: "Datetime", value: ({ lines }) => lines.length },
      },
      summary: ({ lines }) => `${lines.length} lines`,
      workflowId: (input) => {
        expect(input).type.toBe<Order>();
        return input.id;
      },
    });
    // @ts-expect-error TypeHint<"The row lacks the column 'lines'">
    source.to(checkouts, (event) => ({ id: event.id }));
    // @ts-expect-error Type 'number' is not assignable to type 'string'
    source.route({ checkouts }, (_, to) => to.checkouts({ id: 7, lines: [] }));
    // @ts-expect-error Type '"paper"' is not assignable to type
    source.to(checkouts, (event) => ({ id: event.id, lines: [{ sku: "a", kind: "paper" }] }));
  });
});

describe("a derived event", () => {
  test("is one that the stream carries", () => {
    source.emit(alerts, () => ({ type: "login.attack_suspected", data: { userId: "u", failures: 1 }, time: new Date() }));
    source.route({ alerts: toStream(alerts) }, (_, to) => to.alerts(attackSuspected({ userId: "u", failures: 1 })));
    // @ts-expect-error TypeHint<"The stream carries no 'login.failed'">
    source.emit(alerts, () => loginFailed({ userId: "u" }));
    // @ts-expect-error TypeHint<"The data does not fit 'login.attack_suspected'">
    source.emit(alerts, () => ({ type: "login.attack_suspected", data: { userId: "u" } }));
    // @ts-expect-error '"login.failed"' is not assignable to type '"login.attack_suspected"'
    source.route({ alerts: toStream(alerts) }, (_, to) => to.alerts(loginFailed({ userId: "u" })));
  });
});

describe("a route", () => {
  test("gives a function for each destination, typed by its sink", () => {
    source.route({ rows, checkouts }, (event, to) => {
      expect(event).type.toBe<Login>();
      expect(to.rows({ event_id: event.id, at: event.time, outcome: "success" })).type.toBe<Sent>();
      expect(to).type.not.toHaveProperty("row");
      return [to.rows({ event_id: event.id, at: event.time, outcome: "success" }), to.checkouts({ id: event.id, lines: [] })];
    });
  });

  test("may end an event with a reason", () => {
    source.route({ rows }, (event): Decision => (event.type === "login.failed" ? drop("failed") : deadLetter("odd")));
    expect(drop).type.not.toBeCallableWith();
    expect(deadLetter).type.not.toBeCallableWith();
  });

  test("decides on every path", () => {
    // @ts-expect-error Every path of a route returns an outcome: to.<destination>(row), drop(why) or deadLetter(why)
    source.route({ rows }, (event) => {
      if (event.type === "login.failed") return drop("failed");
    });
    // @ts-expect-error Every path of a route returns an outcome
    source.route({ rows }, () => {});
    // @ts-expect-error Every path of a route returns an outcome
    source.route({ rows }, async () => drop("late"));
  });

  test("matches every case", () => {
    source.route({ rows }, (event) =>
      match(event)
        .with({ type: "login.succeeded" }, () => drop("fine"))
        .with({ type: "login.failed" }, ({ data }) => deadLetter(data.reason ?? "unknown"))
        .exhaustive(),
    );
    source.route({ rows }, (event) =>
      match(event)
        .with({ type: "login.succeeded" }, () => drop("fine"))
        // @ts-expect-error NonExhaustiveError<Event<"login.failed"
        .exhaustive(),
    );
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

describe("an adopted stream", () => {
  test("is read from a field, or by a function that returns a draft of one of its events", () => {
    expect(defineStream("a", { events: [loginFailed], adopt: { key: "k", field: "body" } })).type.toBe<Stream<Failed>>();
    const read = defineStream("a", {
      events: [loginSucceeded, loginFailed],
      adopt: {
        key: "k",
        read: (fields, id) => {
          expect(fields).type.toBe<Readonly<Record<string, string>>>();
          expect(id).type.toBe<string>();
          return { ...loginFailed({ userId: fields["user"] ?? "" }), id: "1", source: "/web" };
        },
      },
    });
    expect(read).type.toBe<Stream<Login>>();
  });

  test("takes no function that returns another event, or data of another form", () => {
    const stray = () => attackSuspected({ userId: "ada", failures: 5 });
    expect(defineStream).type.not.toBeCallableWith("a", { events: [loginFailed], adopt: { key: "k", read: stray } });
    const misfit = () => ({ type: "login.failed" as const, data: { userId: 7 } });
    expect(defineStream).type.not.toBeCallableWith("a", { events: [loginFailed], adopt: { key: "k", read: misfit } });
  });
});

describe("the schema of an event", () => {
  class Money {
    readonly cents = 1;
    plus(): number {
      return this.cents;
    }
  }

  test("takes what JSON can hold, with checks and defaults", () => {
    const tree: z.ZodType<Tree> = z.object({
      get children() {
        return z.array(tree);
      },
    });
    expect(defineEvent).type.toBeCallableWith("a.b", tree);
    expect(defineEvent).type.toBeCallableWith("a.b", z.object({ at: z.iso.datetime(), more: z.record(z.string(), z.unknown()) }));
    expect(defineEvent).type.toBeCallableWith(
      "a.b",
      z.object({ n: z.number().default(1), s: z.string().optional(), a: z.array(z.enum(["x"])) }),
    );
    expect(defineEvent).type.toBeCallableWith("a.b", z.object({ s: z.string().transform((text) => text.trim()) }));
  });

  test("takes nothing that JSON cannot hold, and makes no other type of it", () => {
    expect(defineEvent).type.not.toBeCallableWith("a.b", z.object({ at: z.date() }));
    expect(defineEvent).type.not.toBeCallableWith("a.b", z.object({ list: z.array(z.object({ n: z.bigint().optional() })) }));
    expect(defineEvent).type.not.toBeCallableWith("a.b", z.object({ m: z.map(z.string(), z.number()) }));
    expect(defineEvent).type.not.toBeCallableWith("a.b", z.object({ m: z.instanceof(Money) }));
    expect(defineEvent).type.not.toBeCallableWith("a.b", z.object({ at: z.string().transform((text) => new Date(text)) }));
  });
});

interface Tree {
  readonly children: readonly Tree[];
}
