import { clickhouse, defineStream, pipeline, startWorkflow, toStream } from "headrace";
import { alerts, loginEnded, loginEvents, logins } from "./shop.ts";

const ended = defineStream("ended", { events: [loginEnded] });
const same = <Value>(value: Value): Value => value;
async function checkout(input: { readonly id: string }) {
  return input.id;
}

// refused: 'timeout' does not exist in type 'StageGuards
export const misnamed = logins.map("ask", same, { timeout: 500 });
// refused: Type 'number' is not assignable to type 'CallRate
export const bareRate = logins.map("ask", same, { rateLimit: 100 });
// refused: Property 'openMs' is missing in type
export const halfABreaker = logins.map("ask", same, { breaker: { failures: 5 } });
// refused: Type 'string' is not assignable to type 'number'
export const textForNumber = logins.map("ask", same, { concurrency: "4" });

// refused: Type 'string' is not assignable to type 'number'
export const textForCost = logins.map("ask", same, { rateLimit: { perSecond: 5, cost: (event) => event.key } });
// refused: Type 'number' is not assignable to type 'string'
export const numberForKey = logins.enrich("ask", { key: () => 1, look: () => 1, combine: same });
// refused: Property 'combine' is missing in type
export const halfAnEnrich = logins.enrich("ask", { key: ({ key }) => key, look: () => 1 });

// refused: A source has no breaker: while Redis is away nothing can be read anyway
export const sourceBreaker = pipeline("p").from(ended, { breaker: { failures: 5, openMs: 1_000 } });
// refused: A source has no concurrency: its partitions are read side by side
export const sourceConcurrency = pipeline("p").from(ended, { concurrency: 5 });
// refused: A source has no retry: reading goes on by itself when Redis is back
export const sourceRetry = pipeline("p").from(ended, { retry: { attempts: 5 } });
// refused: A source has no time-out: put timeoutMs on the stage that waits
export const sourceTimeout = pipeline("p").from(ended, { rateLimit: { perSecond: 5 }, timeoutMs: 5 });

// refused: A ClickHouse sink has no concurrency: one insert of a table is under way at a time
export const tableConcurrency = clickhouse(loginEvents, { concurrency: 4 });
// refused: The low-latency profile has no minIntervalMs: it inserts as soon as no insert is under way
export const contradiction = clickhouse(loginEvents, { profile: "low-latency", minIntervalMs: 50 });
// refused: Type '"fast"' is not assignable to type
export const unknownProfile = clickhouse(loginEvents, { profile: "fast" });
// refused: A stream sink has no breaker: its stream is in the Redis that is read
export const streamBreaker = toStream(alerts, { breaker: { failures: 5, openMs: 1_000 } });
// refused: A stream sink has no concurrency: its partitions are written side by side
export const streamConcurrency = toStream(alerts, { concurrency: 1 });
// refused: 'rate' does not exist in type
export const workflowRate = startWorkflow(checkout, { taskQueue: "q", workflowId: ({ id }) => id, rate: 5 });
