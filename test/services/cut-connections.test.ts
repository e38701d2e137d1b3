import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { afterAll, beforeAll, expect, it } from "vitest";
import { clickhouse } from "../../src/dsl/sinks.ts";
import type { ClickHouseSinkPlan } from "../../src/plan/plan.ts";
import { type ClickHouse, createClickHouse } from "../../src/sinks/clickhouse/client.ts";
import { applyMigration, planMigration } from "../../src/sinks/clickhouse/migrate.ts";
import { createClickHouseSink } from "../../src/sinks/clickhouse/sink.ts";
import { FaultProxy, type Link } from "../chaos/proxy.ts";
import { atPort } from "../support/addresses.ts";
import { logBook } from "../support/log-book.ts";
import { clickhouseDatabase, unique } from "../support/services.ts";
import { thingTable } from "../support/things.ts";

let address: { readonly url: string; readonly database: string };
let client: ClickHouse;
let proxy: FaultProxy;
beforeAll(async () => {
  address = await clickhouseDatabase();
  client = createClickHouse(address);
  proxy = await FaultProxy.listen(Number(new URL(address.url).port));
});
afterAll(async () => {
  await client.close();
  await proxy.close();
});

/** A sink behind the proxy. An insert that gets no answer is given up after a second. */
async function openSink() {
  const table = thingTable(unique("cut_"));
  await applyMigration(await planMigration([table.plan], client), client);
  const through = createClickHouse({ ...address, url: atPort(address.url, proxy.port) });
  const { logger, lines } = logBook();
  const options = { profile: "low-latency", timeoutMs: 1_000, retry: { initialMs: 5, maxMs: 20 } } as const;
  const plan = clickhouse(table, options).plan as ClickHouseSinkPlan;
  const sink = createClickHouseSink(plan, { client: through, signal: new AbortController().signal, logger });
  const at = new Date(Date.UTC(2026, 2, 1));
  return {
    lines,
    write: (count: number) =>
      sink.write(
        Array.from({ length: count }, (_, n) => ({ event_id: randomUUID() as string, key: "k", n, at })),
        count * 50,
      ),
    count: async () => Number((await client.query<{ n: string }>(`SELECT count() AS n FROM ${table.plan.name} FINAL`))[0]?.n),
    close: async () => {
      await sink.close();
      await through.close();
    },
  };
}

const repeated = "warn: ClickHouse insert failed; it is repeated with the same rows";
const over = "info: ClickHouse answers again";

it("connections that somebody on the way forgets without a word cost one warning, and rows are there once", async () => {
  const { lines, write, count, close } = await openSink();
  await write(10);
  for (let outage = 1; outage <= 2; outage++) {
    proxy.halfOpen();
    proxy.heal();
    expect(await write(10)).toEqual({ rejected: [] });
    expect(lines).toEqual(Array.from({ length: outage }, () => [repeated, over]).flat());
  }
  expect(await count()).toBe(30);
  await close();
});

it("connections that were idle for so long that somebody forgets them are not used any more: nothing is to be warned of", async () => {
  const { lines, write, count, close } = await openSink();
  const links = new Set<Link>();
  const untap = proxy.tap((_, link) => void links.add(link));
  await write(10);
  untap();
  await Promise.all([...links].map(async ({ client }) => client.closed || once(client, "close")));
  proxy.halfOpen();
  proxy.heal();
  expect(await write(10)).toEqual({ rejected: [] });
  expect(lines).toEqual([]);
  expect(await count()).toBe(20);
  await close();
});

it("a connection that is reset when the rows are in and the answer is on its way costs one warning, and rows are there once", async () => {
  const { lines, write, count, close } = await openSink();
  let resets = 0;
  const inserts = new Set<Link>();
  const untap = proxy.tap((piece, link, direction) => {
    if (direction === "upstream" && /^POST .*INSERT/.test(piece.toString("latin1"))) inserts.add(link);
    if (direction === "upstream" || !inserts.delete(link) || ++resets % 2 === 0) return undefined;
    link.client.resetAndDestroy();
    return "drop";
  });
  for (let outage = 1; outage <= 3; outage++) {
    expect(await write(10)).toEqual({ rejected: [] });
    expect(lines).toEqual(Array.from({ length: outage }, () => [repeated, over]).flat());
  }
  expect(resets).toBe(6);
  expect(await count()).toBe(30);
  untap();
  await close();
});
