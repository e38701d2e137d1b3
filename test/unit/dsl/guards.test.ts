import { describe, expect, it } from "vitest";
import { ConfigError } from "../../../src/core/errors.ts";
import type { StageGuards } from "../../../src/dsl/guards.ts";
import { pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse, startWorkflow, toStream } from "../../../src/dsl/sinks.ts";
import { type Thing, things, thingTable } from "../../support/things.ts";

/** What JavaScript, or data from elsewhere, may hand over: types would refuse most of it. */
type Anything = object;

const table = thingTable("rows");
const source = pipeline("p").from(things());
const checkout = async (input: { readonly id: string }) => input.id;

function refusal(define: () => unknown): ConfigError {
  try {
    define();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}
const onStage = (guards: Anything) => refusal(() => source.map("ask", (event) => event, guards as StageGuards<unknown>));
const onTable = (options: Anything) => refusal(() => clickhouse(table, options));

describe("guards", () => {
  it("stand in the plan as they were given", () => {
    const guards = {
      retry: { attempts: 3, initialMs: 50, maxMs: 1_000 },
      timeoutMs: 500,
      concurrency: 8,
      rateLimit: { perSecond: 0.5, burst: 1, shared: "geo-api" },
      breaker: { failures: 10, openMs: 5_000 },
    };
    const rateLimit = { perSecond: 10 };
    const { plan } = pipeline("p")
      .from(things(), { rateLimit })
      .map("ask", (event) => event, guards)
      .to(clickhouse(table, { rateLimit, breaker: guards.breaker }), ({ id, time, data }) => ({
        event_id: id,
        at: time,
        key: data.key,
        n: data.n,
      }));
    expect(plan).toMatchObject({
      sources: [{ name: "things" }],
      sourceGuards: { rateLimit },
      stages: [{ name: "ask", guards }],
      end: { sink: { guards: { rateLimit, breaker: guards.breaker } } },
    });
    expect(toStream(things(), { rateLimit }).plan).toMatchObject({ guards: { rateLimit } });
    expect(startWorkflow(checkout, { taskQueue: "q", workflowId: ({ id }) => id, rateLimit }).plan.guards).toEqual({ rateLimit });
    expect(clickhouse(table).plan).not.toHaveProperty("guards");
    expect(
      source.to(toStream(things()), () => ({ type: "thing.happened", data: { key: "", n: 1, orders: [] } })).plan,
    ).not.toHaveProperty("sourceGuards");
  });

  it.each<readonly [Anything, string, string]>([
    [{ timeoutMs: -1 }, "timeoutMs is -1", "Give milliseconds, from 1 to 24 days."],
    [{ timeoutMs: 2 ** 31 }, "timeoutMs is 2147483648", "Give milliseconds, from 1 to 24 days."],
    [{ timeoutMs: "500" }, 'timeoutMs is "500"', "Give milliseconds, from 1 to 24 days."],
    [{ concurrency: 0 }, "concurrency is 0", "Give a whole number from 1 on."],
    [{ concurrency: 1.5 }, "concurrency is 1.5", "Give a whole number from 1 on."],
    [{ rateLimit: { perSecond: Number.NaN } }, "rateLimit: perSecond is NaN", "Give a number above 0."],
    [{ rateLimit: { perSecond: 0 } }, "rateLimit: perSecond is 0", "Give a number above 0."],
    [{ rateLimit: { perSecond: Number.POSITIVE_INFINITY } }, "rateLimit: perSecond is Infinity", "Give a number above 0."],
    [{ rateLimit: { perSecond: 5, burst: 0 } }, "rateLimit: burst is 0", "Give a whole number from 1 on."],
    [
      { rateLimit: { perSecond: 5, shared: "Geo API" } },
      'rateLimit: shared is "Geo API"',
      "Give true, false, or a name of lower-case letters, digits and hyphens.",
    ],
    [{ rateLimit: { perSecond: 5, cost: 2 } }, "rateLimit: cost is 2", "Give a function."],
    [{ rateLimit: 100 }, "rateLimit is 100", "Give an object with perSecond, burst, shared and cost."],
    [{ rateLimit: { burst: 5 } }, "rateLimit has no 'perSecond'", "Give a number above 0."],
    [{ breaker: { failures: 5 } }, "breaker has no 'openMs'", "Give milliseconds, from 1 to 24 days."],
    [{ breaker: { failures: 0, openMs: 1 } }, "breaker: failures is 0", "Give a whole number from 1 on."],
    [{ retry: { attempts: 1, initialMs: 0, maxMs: 1 } }, "retry: initialMs is 0", "Give milliseconds, from 1 to 24 days."],
    [{ retry: { tries: 1 } }, "retry: there is no 'tries'", "It takes attempts, initialMs and maxMs."],
    [{ retries: 3 }, "there is no 'retries'", "It takes retry, concurrency, breaker, rateLimit and timeoutMs."],
    [{ rateLimit: null }, "rateLimit is null", "Give an object with perSecond, burst, shared and cost."],
  ])("on a stage refuse %j", (guards, message, hint) => {
    const error = onStage(guards);
    expect(error.code).toBe("config.invalid");
    expect(error.message).toBe(`stage 'ask' of pipeline 'p': ${message}`);
    expect(error.hint).toBe(hint);
  });

  it.each<readonly [Anything, string, string]>([
    [{ maxEntries: 0 }, "options: maxEntries is 0", "Give a whole number from 1 on."],
    [{ ttlMs: Number.NaN }, "options: ttlMs is NaN", "Give milliseconds, from 1 to 24 days."],
    [{ look: undefined }, "options has no 'look'", "Give a function."],
    [{ cache: {} }, "options: there is no 'cache'", "It takes key, look, combine, maxEntries and ttlMs."],
  ])("beside options of enrich, which refuse %j", (more, message, hint) => {
    const options = { key: (event: Thing) => event.key, look: (key: string) => key, combine: (event: Thing) => event };
    const error = refusal(() => source.enrich("ask", { ...options, ...more }, { concurrency: 2 }));
    expect([error.message, error.hint]).toEqual([`stage 'ask' of pipeline 'p': ${message}`, hint]);
    expect(refusal(() => source.enrich("ask", options, { concurrency: 0 })).message).toBe(
      "stage 'ask' of pipeline 'p': concurrency is 0",
    );
  });

  it("on a source and on a stream are rate limits alone", () => {
    const guards = { breaker: { failures: 1, openMs: 1 } } as Anything;
    expect(refusal(() => pipeline("p").from(things(), guards)).message).toBe(
      "pipeline 'p', guards of its source: there is no 'breaker'",
    );
    expect(refusal(() => toStream(things(), guards))).toMatchObject({
      message: "toStream 'things': there is no 'breaker'",
      hint: "It takes rateLimit.",
    });
  });

  it("and other options of a sink are checked with its name", () => {
    expect(onTable({ concurrency: 2 }).message).toBe("clickhouse 'rows': there is no 'concurrency'");
    expect(onTable({ maxRows: 0 }).message).toBe("clickhouse 'rows': maxRows is 0");
    expect(onTable({ minIntervalMs: -1 }).message).toBe("clickhouse 'rows': minIntervalMs is -1");
    expect(onTable({ breaker: { failures: -1, openMs: 5 } }).message).toBe("clickhouse 'rows': breaker: failures is -1");
    const options = { taskQueue: "q", workflowId: ({ id }: { readonly id: string }) => id };
    expect(refusal(() => startWorkflow(checkout, { ...options, concurrency: Number.NaN })).message).toBe(
      "startWorkflow 'checkout': concurrency is NaN",
    );
    expect(refusal(() => startWorkflow(checkout, { ...options, taskQueue: "" })).message).toBe(
      "startWorkflow 'checkout': taskQueue is \"\"",
    );
  });
});

describe("the profile of a ClickHouse sink", () => {
  it("is ten inserts a second and table, or as soon as none is under way", () => {
    expect(clickhouse(table).plan).toMatchObject({ batch: { maxRows: 20_000, minIntervalMs: 100 } });
    expect(clickhouse(table, { profile: "default", minIntervalMs: 500 }).plan).toMatchObject({ batch: { minIntervalMs: 500 } });
    expect(clickhouse(table, { profile: "low-latency", maxRows: 500 }).plan).toMatchObject({
      batch: { maxRows: 500, minIntervalMs: 0 },
    });
  });

  it("refuses an interval beside low-latency, and a profile that it does not know", () => {
    expect(onTable({ profile: "low-latency", minIntervalMs: 50 })).toMatchObject({
      message: "clickhouse 'rows': minIntervalMs beside the low-latency profile, which waits for no interval",
      hint: "Leave one of them out.",
    });
    expect(onTable({ profile: "fast" })).toMatchObject({
      message: "clickhouse 'rows': profile is \"fast\"",
      hint: 'Give "default" or "low-latency".',
    });
  });
});
