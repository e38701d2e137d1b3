import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ClickHouseLogLevel, createClient } from "@clickhouse/client";
import { expect, test } from "vitest";
import { numbersIn } from "../../bench/latencies.ts";
import { openTap } from "../../bench/tap.ts";
import { loginEvents } from "../../pipelines/tables.ts";
import { createClickHouse } from "../../src/sinks/clickhouse/client.ts";
import { applyMigration, planMigration } from "../../src/sinks/clickhouse/migrate.ts";
import { compileEncoder } from "../../src/sinks/clickhouse/native/encoder.ts";
import { tryHeadrace } from "../support/headrace.ts";
import { clickhouseDatabase } from "../support/services.ts";

const rowOf = (number: number, at: Date | string) => ({
  event_id: `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`,
  user_id: "ada",
  outcome: "success",
  at,
  ip: "203.0.113.7",
  source: "app-logins",
});

test("the tap notes the inserts of a rival and of ours when their rows can be read, and no others", async () => {
  const { url, database } = await clickhouseDatabase();
  const tap = await openTap(url);
  const ours = createClickHouse({ url: tap.url, database });
  const rival = createClient({ url: tap.url, database, log: { level: ClickHouseLogLevel.OFF } });
  try {
    await applyMigration(await planMigration([loginEvents.plan], ours), ours);
    const before = performance.timeOrigin + performance.now();
    await ours.insertNative(loginEvents.plan, compileEncoder(loginEvents.plan)([7, 8].map((k) => rowOf(k, new Date()))).bytes);
    await rival.insert({ table: "login_events", format: "JSONEachRow", values: [rowOf(9, "2026-06-01 12:00:00.000")] });
    await expect(
      rival.insert({ table: "login_events", format: "JSONEachRow", values: [{ ...rowOf(10, "never"), at: "never" }] }),
    ).rejects.toThrow();
    expect(await ours.query("SELECT toUInt32(count()) AS rows FROM login_events")).toEqual([{ rows: 3 }]);
    await tap.settled();
    expect(tap.inserts.map(({ body }) => numbersIn(body))).toEqual([[7, 8], [9]]);
    for (const { at } of tap.inserts) expect(at).toBeGreaterThanOrEqual(before);
  } finally {
    await ours.close();
    await rival.close();
    await tap.close();
  }
});

test("bench measures ours, two workers and many partitions in one run, and tells which peers are missing", async () => {
  const folder = await mkdtemp(join(tmpdir(), "headrace-peers-"));
  try {
    const only = "plain,hand-loop-1000,faststream,redpanda-connect,workers-2,partitions-64";
    const { code, stdout, stderr } = await tryHeadrace(["bench", "--only", only, "--runs", "1", "--events", "1000", "--json"], {
      env: { HEADRACE_PEERS_DIR: folder, REDPANDA_CONNECT: join(folder, "nothing") },
    });
    expect(code, stderr).toBe(0);
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map(({ name }) => name)).toEqual([
      "frames",
      "plain",
      "hand-loop-1000",
      "workers-1",
      "workers-2",
      "partitions-64",
      "redpanda-connect",
      "faststream",
    ]);
    const lineOf = (name: string) => lines.find((line) => line.name === name);
    const ratio = (name: string, rival: string) => lineOf(name).eventsPerSecond.median / lineOf(rival).eventsPerSecond.median;
    expect(lineOf("plain").vs).toEqual({ "hand-loop-1000": expect.closeTo(ratio("plain", "hand-loop-1000"), 1) });
    expect(lineOf("workers-2").vs).toEqual({ "workers-1": expect.closeTo(ratio("workers-2", "workers-1"), 1) });
    expect(lineOf("partitions-64").vs).toEqual({ "partitions-8": expect.closeTo(ratio("partitions-64", "frames"), 1) });
    expect(lineOf("faststream")).toEqual({ name: "faststream", missing: "node bench/peers/install.mjs faststream" });
    expect(lineOf("redpanda-connect").missing).toContain("REDPANDA_CONNECT");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}, 180_000);
