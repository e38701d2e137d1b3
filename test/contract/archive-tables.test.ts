import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { c, defineTable } from "headrace";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDirectoryStore } from "../../src/archive/directory-store.ts";
import { listArchives } from "../../src/archive/list.ts";
import type { ArchiveDeps } from "../../src/archive/port.ts";
import { restoreDay } from "../../src/archive/restore.ts";
import { createArchive } from "../../src/archive/verbs.ts";
import { systemClock } from "../../src/core/clock.ts";
import { days } from "../../src/core/duration.ts";
import { archivesTable, dayOf, type Sealed, type Survey } from "../../src/plan/archive.ts";
import { createArchiveTables } from "../../src/sinks/clickhouse/archive-tables.ts";
import { createClickHouse } from "../../src/sinks/clickhouse/client.ts";
import { applyMigration, planMigration } from "../../src/sinks/clickhouse/migrate.ts";
import { createMemorySink } from "../../src/sinks/memory.ts";
import { createMemoryArchive } from "../../src/testing/archive/memory-archive.ts";
import { clickhouseDatabase } from "../support/services.ts";

const { plan } = defineTable("things", {
  columns: { event_id: c.uuid(), at: c.dateTime64(3), n: c.int32(), note: c.string().nullable() },
  orderBy: ["at", "event_id"],
  partitionBy: { unit: "day", column: "at" },
});
const table = plan.name;

interface World {
  readonly deps: ArchiveDeps;
  /** Things of a day, by their numbers. */
  readonly write: (day: string, numbers: readonly number[]) => Promise<void>;
  /** The numbers that the table shows of a day, in their order. */
  readonly shown: (day: string) => Promise<readonly number[]>;
  readonly close: () => Promise<void>;
}

const idOf = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
/** An hour later for each. */
const timeOf = (day: string, n: number) => new Date(Date.parse(`${day}T00:00:00Z`) + (n % 24) * 3_600_000);

async function openInMemory(): Promise<World> {
  const sink = createMemorySink({ table: plan });
  const { deps } = createMemoryArchive([plan], { clock: systemClock, tables: new Map([[table, sink]]) });
  return {
    deps,
    write: async (day, numbers) =>
      void (await sink.write(
        numbers.map((n) => ({ event_id: idOf(n), at: timeOf(day, n), n, note: n % 2 ? "odd" : null })),
        0,
      )),
    shown: async (day) =>
      sink.rows
        .filter(({ at }) => dayOf((at as Date).getTime()) === day)
        .map(({ n }) => n as number)
        .toSorted((a, b) => a - b),
    close: async () => {},
  };
}

async function openOnClickHouse(): Promise<World> {
  const client = createClickHouse(await clickhouseDatabase());
  const root = await mkdtemp(join(tmpdir(), "headrace-archive-"));
  await applyMigration(await planMigration([plan, archivesTable], client), client);
  const literalOf = (day: string, n: number) =>
    `('${idOf(n)}', '${timeOf(day, n).toISOString().slice(0, 19)}', ${n}, ${n % 2 ? "'odd'" : "NULL"})`;
  return {
    deps: {
      archives: [plan],
      tables: (signal) => createArchiveTables(client, signal),
      store: createDirectoryStore(root),
      counters: { settle: async () => {}, touched: async () => {} },
      now: async () => Date.now(),
    },
    write: (day, numbers) => client.run(`INSERT INTO ${table} VALUES ${numbers.map((n) => literalOf(day, n)).join(", ")}`),
    shown: async (day) =>
      (await client.query<{ n: number }>(`SELECT n FROM ${table} FINAL WHERE toDate(at) = '${day}' ORDER BY n`)).map(
        ({ n }) => n,
      ),
    close: async () => {
      await client.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

const call = { signal: new AbortController().signal, beat: () => {} };
const steps = ["seal", "survey", "export", "verify", "publish", "recount", "drop", "record"] as const;
type Step = (typeof steps)[number];

/** What the saga does, up to a step; and its undos, of all that was done. */
function runOf({ deps }: World, day: string) {
  const verbs = createArchive(deps);
  const at = { table, day };
  let sealed: Sealed | undefined;
  let survey: Survey | undefined;
  const of = () => ({ ...at, generation: sealed && "generation" in sealed ? sealed.generation : 0 });
  const surveyed = () => {
    if (survey) return survey;
    throw new Error("it was not surveyed");
  };
  const run = () => ({ ...of(), run: "one" });
  let files: Awaited<ReturnType<typeof verbs.export>> = [];
  const doing: Readonly<Record<Step, () => Promise<unknown>>> = {
    seal: async () => (sealed = await verbs.seal(at, call)),
    survey: async () => (survey = await verbs.survey(at, call)),
    export: async () => (files = await verbs.export(run(), surveyed(), call)),
    verify: () => verbs.verify(of(), files, surveyed(), call),
    publish: () =>
      verbs.publish(
        { kind: "headrace.archive", version: 1, at: new Date().toISOString(), ...of(), ...surveyed(), bytes: 1, files },
        call,
      ),
    recount: () => verbs.recount(at, surveyed(), call),
    drop: () => verbs.drop(of(), surveyed(), call),
    record: () => verbs.record(of(), surveyed(), call),
  };
  const undoing: Partial<Record<Step, () => Promise<unknown>>> = {
    seal: () => verbs.unseal(at, call),
    export: () => verbs.removeFiles(run(), call),
    publish: () => verbs.withdraw(of(), call),
    drop: () => verbs.putBack(of(), call),
  };
  return {
    async upTo(last: Step): Promise<Sealed | undefined> {
      for (const step of steps.slice(0, steps.indexOf(last) + 1)) {
        await doing[step]();
        if (sealed?.kind !== "sealed") break;
      }
      return sealed;
    },
    do: (step: Step) => doing[step](),
    async undo(last: Step): Promise<void> {
      for (const step of steps.slice(0, steps.indexOf(last) + 1).toReversed()) await undoing[step]?.();
    },
  };
}

describe.each([
  ["in memory", openInMemory],
  ["on ClickHouse", openOnClickHouse],
] as const)("the archive %s", (_, open) => {
  let world: World;
  let next = Date.UTC(2026, 4, 1);
  const freshDay = () => {
    next += days(1);
    return dayOf(next);
  };
  beforeAll(async () => {
    world = await open();
  }, 60_000);
  afterAll(() => world.close());
  const archive = (day: string) => runOf(world, day).upTo("record");
  const states = async (day: string) =>
    (await listArchives(world.deps))
      .filter((line) => line.day === day)
      .map(({ generation, rows, state }) => [generation, rows, state]);
  const aside = async () => (await world.deps.tables().tablesLike("headrace_")).filter((name) => name !== archivesTable.name);

  it("takes a day out of its table and brings it back; rows that come late are a generation of their own", async () => {
    const day = freshDay();
    expect(await archive(day)).toEqual({ kind: "empty" });
    await world.write(day, [1, 2, 3, 30]);
    await world.write(day, [1, 2]);
    expect(await archive(day)).toEqual({ kind: "sealed", generation: 1 });
    expect(await world.shown(day)).toEqual([]);
    expect(await archive(day)).toEqual({ kind: "already archived", generation: 1 });
    await world.write(day, [4]);
    expect(await archive(day)).toEqual({ kind: "sealed", generation: 2 });
    expect(await states(day)).toEqual([
      [1, 4, "archived"],
      [2, 1, "archived"],
    ]);
    await world.write(day, [5]);
    await restoreDay({ table, day }, world.deps);
    expect(await world.shown(day)).toEqual([1, 2, 3, 4, 5, 30]);
    // All that was restored goes again, as one.
    expect(await archive(day)).toEqual({ kind: "sealed", generation: 3 });
    expect(await states(day)).toEqual([[3, 6, "archived"]]);
    expect(await aside()).toEqual([]);
  }, 60_000);

  // Each step with each trouble, on ClickHouse: archive-matrix.test.ts.
  it.each(["seal", "publish", "drop"] as const)(
    "that is given up behind its step %s has the whole day in the table, and nothing beside it",
    async (step) => {
      const [day, other] = [freshDay(), freshDay()];
      await world.write(day, [1, 2, 3]);
      await world.write(other, [7]);
      const run = runOf(world, day);
      await run.upTo(step);
      await run.undo(step);
      expect(await world.shown(day)).toEqual([1, 2, 3]);
      expect(await world.shown(other)).toEqual([7]);
      expect(await aside()).toEqual([]);
      // And it can be begun again.
      await archive(day);
      expect(await world.shown(day)).toEqual([]);
      await restoreDay({ table, day }, world.deps);
      expect(await world.shown(day)).toEqual([1, 2, 3]);
    },
    60_000,
  );

  it("refuses to drop what was not surveyed", async () => {
    const day = freshDay();
    await world.write(day, [1, 2]);
    const run = runOf(world, day);
    await run.upTo("publish");
    await world.write(day, [3]);
    await expect(run.do("recount")).rejects.toMatchObject({ code: "archive.changed" });
    await expect(run.do("drop")).rejects.toMatchObject({ code: "archive.changed" });
    await run.undo("drop");
    expect(await world.shown(day)).toEqual([1, 2, 3]);
    expect(await aside()).toEqual([]);
  }, 60_000);

  it("cuts files by hours, which together hold what was surveyed", async () => {
    const day = freshDay();
    await world.write(day, [0, 1, 2, 3, 4, 5]);
    const small = { ...world, deps: { ...world.deps, rowsPerFile: 2 } };
    await runOf(small, day).upTo("record");
    const [manifest] = await world.deps.store.manifests({ table, day });
    expect(manifest?.files.map(({ rows }) => rows)).toEqual([2, 2, 2]);
    expect(manifest?.hours.slice(0, 7)).toEqual([1, 1, 1, 1, 1, 1, 0]);
  }, 60_000);
});
