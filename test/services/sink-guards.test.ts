import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { Client, Connection } from "@temporalio/client";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/log.ts";
import { createRateLimit } from "../../src/core/rate-limit.ts";
import { clickhouse, type StartWorkflowOptions, startWorkflow } from "../../src/dsl/sinks.ts";
import type { ClickHouseSinkPlan, WorkflowSinkPlan } from "../../src/plan/plan.ts";
import { type ClickHouse, createClickHouse } from "../../src/sinks/clickhouse/client.ts";
import { applyMigration, planMigration } from "../../src/sinks/clickhouse/migrate.ts";
import { createClickHouseSink } from "../../src/sinks/clickhouse/sink.ts";
import { createCallGuards, TemporalSink } from "../../src/sinks/temporal/sink.ts";
import { atPort } from "../support/addresses.ts";
import { logBook } from "../support/log-book.ts";
import { clickhouseDatabase, temporalAddress, unique } from "../support/services.ts";
import { thingTable } from "../support/things.ts";

const opened = "warn: the breaker has opened: nothing is called for a while";
const closed = "info: the breaker has closed: it answers again";

describe("the guards of a ClickHouse sink", () => {
  let client: ClickHouse;
  let server: Server;
  let address: { readonly url: string; readonly database: string };
  /** Stands before ClickHouse, and can be away. */
  const line = { away: false, attempts: 0 };

  beforeAll(async () => {
    address = await clickhouseDatabase();
    client = createClickHouse(address);
    const { hostname, port } = new URL(address.url);
    server = createServer((socket) => {
      line.attempts += 1;
      if (line.away) return void socket.destroy();
      const onward = connect(Number(port), hostname);
      for (const [from, to] of [
        [socket, onward],
        [onward, socket],
      ] as const) {
        from.on("error", () => to.destroy()).on("close", () => to.destroy());
        from.pipe(to);
      }
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  afterAll(async () => {
    server.close();
    await client.close();
  });

  const rowsOf = (count: number) =>
    Array.from({ length: count }, (_, n) => ({
      event_id: crypto.randomUUID(),
      key: "k",
      n,
      at: new Date(Date.UTC(2026, 2, 1)),
    }));
  const openSink = async (guards: object) => {
    const name = unique("rows_");
    const table = thingTable(name);
    await applyMigration(await planMigration([table.plan], client), client);
    const plan = clickhouse(table, { profile: "low-latency", retry: { initialMs: 5, maxMs: 20 }, ...guards })
      .plan as ClickHouseSinkPlan;
    const through = createClickHouse({ ...address, url: atPort(address.url, (server.address() as AddressInfo).port) });
    const { logger, lines } = logBook();
    const stop = new AbortController();
    const limit = plan.guards?.rateLimit && createRateLimit({ burst: 1, ...plan.guards.rateLimit }, systemClock);
    const sink = createClickHouseSink(plan, { client: through, signal: stop.signal, logger, limit });
    const count = async () => Number((await client.query<{ n: string }>(`SELECT count() AS n FROM ${name} FINAL`))[0]?.n);
    const breakerLines = () => lines.filter((text) => text.includes("breaker"));
    return { sink, count, breakerLines, stop, through };
  };

  it("keep it from a server that is away, let one insert try at a time, and lose no row", async () => {
    const openMs = 400;
    const { sink, count, breakerLines, through } = await openSink({ breaker: { failures: 3, openMs } });
    line.away = true;
    line.attempts = 0;
    const begun = performance.now();
    const writes = [sink.write(rowsOf(10), 500), sink.write(rowsOf(20), 1_000)];
    await vi.waitFor(() => expect(breakerLines()).toEqual([opened]), 20_000);
    await vi.waitFor(() => expect(line.attempts).toBeGreaterThan(4), 20_000);
    const tries = line.attempts - 3;
    // Each try had to wait for the end of an open time. Timers may fire a millisecond early.
    expect(tries * (openMs - 2)).toBeLessThanOrEqual(performance.now() - begun);
    line.away = false;
    for (const { rejected } of await Promise.all(writes)) expect(rejected).toEqual([]);
    expect(breakerLines()).toEqual([opened, closed]);
    expect(await count()).toBe(30);
    await sink.close();
    await through.close();
  });

  it("space inserts out", async () => {
    const { sink, count, through } = await openSink({ rateLimit: { perSecond: 10, burst: 1 } });
    const begun = performance.now();
    for (let i = 0; i < 4; i++) await sink.write(rowsOf(1), 50);
    expect(performance.now() - begun).toBeGreaterThan(3 * 100 - 5);
    expect(await count()).toBe(4);
    await sink.close();
    await through.close();
  });
});

describe("the guards of a workflow sink", () => {
  async function thingFlow(input: { readonly id: string }): Promise<string> {
    return input.id;
  }
  const planOf = (guards: Partial<StartWorkflowOptions<{ readonly id: string }>>) => {
    const options = { taskQueue: unique("queue-"), workflowId: ({ id }: { readonly id: string }) => id, ...guards };
    return startWorkflow(thingFlow, options).plan as WorkflowSinkPlan;
  };
  const rows = Array.from({ length: 12 }, () => ({ id: unique("flow-") }));

  it("space starts out, and start each once", async () => {
    const connection = await Connection.connect({ address: temporalAddress() });
    const client = new Client({ connection });
    try {
      const limit = createRateLimit({ perSecond: 20, burst: 2 }, systemClock);
      const plan = planOf({ rateLimit: { perSecond: 20, burst: 2 } });
      const deps = { clock: systemClock, logger: silentLogger };
      const guards = createCallGuards(plan, { ...deps, limit });
      const sink = new TemporalSink(plan, { ...deps, client, signal: new AbortController().signal, guards });
      const begun = performance.now();
      expect((await sink.write(rows)).counts).toMatchObject({ started: 12 });
      expect(performance.now() - begun).toBeGreaterThan(10 * 50 - 5);
    } finally {
      await Promise.allSettled(rows.map(({ id }) => client.workflow.getHandle(id).terminate("the test is over")));
      await connection.close();
    }
  });

  it("keep it from a server that is away, and hold its rows", async () => {
    const connection = Connection.lazy({ address: "127.0.0.1:1", interceptors: [] });
    const { logger, lines } = logBook();
    const stop = new AbortController();
    const guards = {
      breaker: { failures: 3, openMs: 60_000 },
      concurrency: 2,
      timeoutMs: 2_000,
      retry: { initialMs: 5, maxMs: 20 },
    };
    const sink = new TemporalSink(planOf(guards), {
      client: new Client({ connection }),
      clock: systemClock,
      logger,
      signal: stop.signal,
    });
    const writing = sink.write(rows);
    await vi.waitFor(() => expect(lines).toContain(opened), 30_000);
    expect(sink.inFlightRows).toBe(12);
    const reason = new Error("shutting down");
    stop.abort(reason);
    await expect(writing).rejects.toBe(reason);
    expect(lines.filter((text) => text.includes("breaker"))).toEqual([opened]);
    await connection.close();
  });
});
