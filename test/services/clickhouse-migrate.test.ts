import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { aggregates, defineAggregate } from "../../src/dsl/aggregate.ts";
import { c } from "../../src/dsl/columns.ts";
import { defineTable } from "../../src/dsl/table.ts";
import { defineView } from "../../src/dsl/view.ts";
import { type ClickHouse, createClickHouse } from "../../src/sinks/clickhouse/client.ts";
import { createTable } from "../../src/sinks/clickhouse/ddl.ts";
import { applyMigration, planMigration } from "../../src/sinks/clickhouse/migrate.ts";
import { base, type Migrations, migrationsOf, options, tableOf } from "../support/migrations.ts";
import { clickhouseDatabase, unique } from "../support/services.ts";

let client: ClickHouse;
let plan: Migrations["plan"];
let migrate: Migrations["migrate"];
let write: Migrations["write"];
beforeAll(async () => {
  client = createClickHouse(await clickhouseDatabase());
  ({ plan, migrate, write } = migrationsOf(client));
});
afterAll(() => client.close());

const rowOf = (user: string, seconds: number, outcome = "success") => ({
  event_id: randomUUID() as string,
  user_id: user,
  at: new Date(Date.UTC(2026, 2, 1) + seconds * 1_000),
  outcome,
});

test("a database, its tables and views are created once, and a second plan is empty", async () => {
  const fresh = createClickHouse({ ...(await clickhouseDatabase()), database: unique("fresh_") });
  const table = defineTable("logins", {
    columns: { ...base, distinct: c.string().lowCardinality(), seq: c.uint64() },
    engine: { kind: "replacingMergeTree", version: "seq" },
    orderBy: ["distinct", "user_id", "at", "event_id"],
    partitionBy: { unit: "month", column: "at" },
    ttl: { column: "at", days: 400 },
  });
  const sessions = defineAggregate("first_seen", {
    from: table,
    groupBy: ["user_id", "outcome", "distinct"],
    columns: { at: aggregates.min("at") },
  });
  const view = defineView(
    "per_day",
    "SELECT toDate(at) AS day, count() AS logins FROM logins FINAL GROUP BY day ORDER BY day -- people's",
  );
  const objects = [table.plan, sessions.plan, view.plan];
  const steps = await planMigration(objects, fresh);
  expect(steps[0]).toMatchObject({ kind: "createDatabase", object: fresh.database });
  await applyMigration(steps, fresh);
  expect(await planMigration(objects, fresh)).toEqual([]);
  await applyMigration(steps, fresh);
  expect(await planMigration(objects, fresh)).toEqual([]);
  await fresh.run(`DROP DATABASE ${fresh.database}`);
  await fresh.close();
});

test("a new column and new names of an enum are added, and old rows have the default", async () => {
  const before = tableOf("grows");
  await migrate(before);
  await write(before, [rowOf("ann", 0)]);
  const after = defineTable("grows", {
    columns: { ...base, outcome: c.enum(["success", "failure", "ended"]), ip: c.string().default("unknown") },
    ...options,
  });
  const steps = await plan(after);
  expect(steps.map((step) => step.summary)).toEqual(["add names to the enum grows.outcome", "add the column grows.ip"]);
  await migrate(after);
  await write(after, [rowOf("bob", 1, "ended")]);
  expect(await client.query("SELECT user_id, outcome, ip FROM grows FINAL ORDER BY user_id")).toEqual([
    { user_id: "ann", outcome: "success", ip: "unknown" },
    { user_id: "bob", outcome: "ended", ip: "unknown" },
  ]);
});

describe("an enum that grows from 127 to 128 names", () => {
  const names = (count: number) => Array.from({ length: count }, (_, n) => `name-${n}`) as [string, ...string[]];
  const of = (count: number, orderBy: readonly ("user_id" | "kind" | "event_id")[]) =>
    defineTable(`wide_${orderBy.length}`, {
      columns: { event_id: c.uuid(), user_id: c.string(), kind: c.enum(names(count)) },
      orderBy: [...orderBy],
    });
  const row = (kind: string) => ({ event_id: randomUUID(), user_id: kind, kind });

  test("is altered in place: old rows stay, and a worker that knows the old names goes on writing", async () => {
    const [before, after] = [of(127, ["user_id", "event_id"]), of(128, ["user_id", "event_id"])];
    await migrate(before);
    await write(before, [row("name-126")]);
    expect((await plan(after)).map(({ kind, summary }) => [kind, summary])).toEqual([
      ["alter", "add names to the enum wide_2.kind"],
    ]);
    await migrate(after);
    expect(await plan(after)).toEqual([]);
    await write(after, [row("name-127")]);
    await write(before, [row("name-3")]);
    expect(await client.query("SELECT user_id, kind FROM wide_2 FINAL ORDER BY user_id")).toEqual(
      ["name-126", "name-127", "name-3"].map((name) => ({ user_id: name, kind: name })),
    );
  });

  test("and by which the table is sorted is refused, with the way out", async () => {
    await migrate(of(127, ["user_id", "kind", "event_id"]));
    expect(await plan(of(128, ["user_id", "kind", "event_id"]))).toMatchObject([
      { kind: "refused", object: "wide_3", hint: expect.stringContaining("new name") },
    ]);
  });
});

test("a version is given to the rows that are there, and a late insert of an older row changes nothing any more", async () => {
  const columns = { checkout: c.string(), outcome: c.string(), at: c.dateTime64(3) } as const;
  const before = defineTable("outcomes", { columns, orderBy: ["checkout"] });
  const after = defineTable("outcomes", {
    columns: { ...columns, note: c.string().default("none") },
    engine: { kind: "replacingMergeTree", version: "at" },
    orderBy: ["checkout"],
  });
  const at = (minute: number) => new Date(Date.UTC(2026, 5, 1, 12, minute));
  const held = () => client.query("SELECT checkout, outcome FROM outcomes FINAL ORDER BY checkout");
  await migrate(before);
  await write(before, [{ checkout: "a", outcome: "placed", at: at(2) }]);
  await write(before, [{ checkout: "b", outcome: "placed", at: at(2) }]);
  // What a paused owner had under way lands last: without a version it wins.
  await write(before, [{ checkout: "a", outcome: "pending", at: at(1) }]);
  expect(await held()).toEqual([
    { checkout: "a", outcome: "pending" },
    { checkout: "b", outcome: "placed" },
  ]);
  await write(before, [{ checkout: "a", outcome: "placed", at: at(2) }]);

  expect((await plan(after)).map(({ summary }) => summary)).toEqual([
    "give the rows of outcomes the version at: they are carried over into a table of the same name",
    "add the column outcomes.note",
  ]);
  await migrate(after);
  expect(await plan(after)).toEqual([]);
  await write(after, [{ checkout: "b", outcome: "pending", at: at(1) }]);
  await write(after, [{ checkout: "a", outcome: "pending", at: at(1) }]);
  expect(await held()).toEqual([
    { checkout: "a", outcome: "placed" },
    { checkout: "b", outcome: "placed" },
  ]);
});

test("a table that was given a version half-way is finished by the next migration", async () => {
  const columns = { checkout: c.string(), at: c.dateTime64(3) } as const;
  const before = defineTable("halfway", { columns, orderBy: ["checkout"] });
  const after = defineTable("halfway", { columns, engine: { kind: "replacingMergeTree", version: "at" }, orderBy: ["checkout"] });
  await migrate(before);
  await write(before, [{ checkout: "a", at: new Date(Date.UTC(2026, 5, 1)) }]);
  await client.run(createTable({ ...after.plan, name: "headrace_rebuild_halfway" }));
  await client.run("EXCHANGE TABLES halfway AND headrace_rebuild_halfway");
  expect(await client.query("SELECT checkout FROM halfway")).toEqual([]);
  await migrate(after);
  expect(await client.query("SELECT checkout FROM halfway")).toEqual([{ checkout: "a" }]);
  expect(await plan(after)).toEqual([]);
});

test.each([
  [
    "drops a column",
    defineTable("kept", { columns: { event_id: c.uuid(), user_id: c.string(), at: c.dateTime64(3) }, ...options }),
    "kept.outcome is there and not defined",
  ],
  [
    "changes a type",
    defineTable("kept", { columns: { ...base, user_id: c.uuid() }, ...options }),
    "kept.user_id is String there, and is defined as UUID",
  ],
  [
    "renames an enum's names",
    defineTable("kept", { columns: { ...base, outcome: c.enum(["ok", "failure"]) }, ...options }),
    "kept.outcome is Enum8",
  ],
  [
    "changes the sorting key",
    defineTable("kept", { columns: base, orderBy: ["at", "user_id", "event_id"] }),
    "kept is sorted by (user_id, at, event_id) there",
  ],
  [
    "changes the partitions",
    defineTable("kept", { columns: base, ...options, partitionBy: { unit: "month", column: "at" } }),
    "kept is partitioned by toYYYYMMDD(at) there",
  ],
  [
    "changes the engine",
    defineTable("kept", { columns: base, ...options, engine: { kind: "mergeTree" } }),
    "kept is a ReplacingMergeTree there",
  ],
  [
    "deletes rows by a new ttl",
    defineTable("kept", { columns: base, ...options, ttl: { column: "at", days: 30 } }),
    "rows of kept older than 30 days by at would be deleted",
  ],
  [
    "makes a view of a table",
    defineView("kept", "SELECT 1 AS one"),
    "kept is a ReplacingMergeTree there, and is defined as a view",
  ],
])("a change that %s is refused with a way out, and nothing is done", async (_, changed, sentence) => {
  await migrate(tableOf("kept"));
  const other = tableOf(unique("other_"));
  const steps = await plan(other, changed);
  const refused = steps.filter((step) => step.kind === "refused");
  expect(refused[0]?.summary).toContain(sentence);
  expect(refused[0]?.hint.length).toBeGreaterThan(10);
  await expect(applyMigration(steps, client)).rejects.toMatchObject({ name: "ConfigError", code: "migrate.unsafe" });
  expect(await plan(other)).toHaveLength(1);
  expect(await plan(tableOf("kept"))).toEqual([]);
});

test("a codec is changed in place, however it is written, and one that is not defined is left alone", async () => {
  const compressed = (codec: string | undefined, of: string | undefined) => {
    const at = of === undefined ? base.at : base.at.codec(of);
    return defineTable("compressed", { columns: { ...base, at }, ...options, ...(codec !== undefined && { codec }) });
  };
  const codecs = async () =>
    (
      await client.query<{ codec: string }>(
        "SELECT compression_codec AS codec FROM system.columns WHERE database = currentDatabase() AND table = 'compressed' ORDER BY position",
      )
    ).map(({ codec }) => codec);
  await migrate(compressed(undefined, undefined));
  await write(compressed(undefined, undefined), [rowOf("ann", 1), rowOf("bob", 2)]);
  await migrate(compressed("ZSTD", "Delta,ZSTD"));
  expect(await codecs()).toEqual(["CODEC(ZSTD(1))", "CODEC(ZSTD(1))", "CODEC(Delta(8), ZSTD(1))", "CODEC(ZSTD(1))"]);
  const steps = await plan(compressed("ZSTD(3)", "Delta, ZSTD(1)"));
  expect(steps.map(({ summary }) => summary)).toEqual(
    ["event_id", "user_id", "outcome"].map(
      (name) => `compress compressed.${name} with ZSTD(3): what is there, when it is merged`,
    ),
  );
  await migrate(compressed("ZSTD(3)", "T64, ZSTD(1)"));
  await migrate(compressed(undefined, undefined));
  expect((await codecs())[2]).toBe("CODEC(T64, ZSTD(1))");
  expect(await client.query("SELECT user_id FROM compressed ORDER BY user_id")).toEqual([{ user_id: "ann" }, { user_id: "bob" }]);
});

test("a view whose SQL has changed is replaced, and what is not defined is left alone", async () => {
  await client.run("CREATE TABLE foreign_table (x UInt8) ENGINE = MergeTree ORDER BY x");
  await migrate(defineView("answer", "SELECT 1 AS value"));
  await migrate(defineView("answer", "SELECT 2 AS value SETTINGS final = 1"));
  expect(await client.query("SELECT value FROM answer")).toEqual([{ value: 2 }]);
  await migrate(defineView("answer", "SELECT 2 AS value"));
  expect(
    await client.query(
      "SELECT count() > 0 AS there FROM system.tables WHERE database = currentDatabase() AND name = 'foreign_table'",
    ),
  ).toEqual([{ there: 1 }]);
});

test("a view that cannot be made is told by its name", async () => {
  await expect(migrate(defineView("broken", "SELECT nothing FROM nowhere"))).rejects.toMatchObject({
    name: "ConfigError",
    message: expect.stringContaining("could not create the view broken"),
    hint: "Correct the definition of 'broken', or the grants of the user.",
  });
});

test("an aggregate is exact under repeats, and one that is added later is filled from the rows that are there", async () => {
  const table = tableOf("source");
  await migrate(table);
  const rows = [rowOf("ann", 10), rowOf("ann", 5, "failure"), rowOf("ann", 86_400 * 3), rowOf("bob", 7, "failure")];
  await write(table, rows.slice(0, 2));
  const first = { at: aggregates.min("at"), last_success: aggregates.max("at", { where: "outcome = 'success'" }) };
  await migrate(table, defineAggregate("users", { from: table, groupBy: ["user_id"], columns: first }));
  await write(table, rows);
  await write(table, rows.slice(1));

  const all = defineAggregate("users", {
    from: table,
    groupBy: ["user_id"],
    columns: {
      ...first,
      who: aggregates.any("user_id"),
      first_outcome: aggregates.argMin("outcome", "at"),
      last_outcome: aggregates.argMax("outcome", "at"),
      events: aggregates.uniqExact("event_id"),
      failures: aggregates.uniqExact("event_id", { where: "outcome = 'failure'" }),
      about: aggregates.uniqCombined64("event_id", { where: "at > '2026-03-02'" }),
      outcomes: aggregates.groupUniqArray("outcome", { where: "outcome = 'failure'" }),
      earliest_event: aggregates.argMin("event_id", "at"),
    },
  });
  await migrate(table, all);
  const expected = [
    {
      user_id: "ann",
      at: "2026-03-01 00:00:05.000",
      last_success: "2026-03-04 00:00:00.000",
      who: "ann",
      first_outcome: "failure",
      last_outcome: "success",
      events: 3,
      failures: 1,
      about: 1,
      outcomes: ["failure"],
      earliest_event: rows[1]?.event_id,
    },
    {
      user_id: "bob",
      at: "2026-03-01 00:00:07.000",
      last_success: null,
      who: "bob",
      first_outcome: "failure",
      last_outcome: "failure",
      events: 1,
      failures: 1,
      about: 0,
      outcomes: ["failure"],
      earliest_event: rows[3]?.event_id,
    },
  ];
  const counts = "toUInt32(events) AS events, toUInt32(failures) AS failures, toUInt32(about) AS about";
  const read = () => client.query(`SELECT * REPLACE (${counts}) FROM users ORDER BY user_id`);
  expect(await read()).toEqual(expected);
  await write(table, rows);
  expect(await read()).toEqual(expected);

  await client.run("DROP VIEW users");
  const steps = await plan(table, all);
  expect(steps.map((step) => step.kind)).toEqual(["backfill", "create"]);
  await applyMigration(steps, client);
  expect(await read()).toEqual(expected);
});

test("an aggregate that means something else is refused", async () => {
  const table = tableOf("meaning");
  const of = (where: string | undefined, filter: string) =>
    defineAggregate("seen", {
      from: table,
      ...(where && { where }),
      groupBy: ["user_id"],
      columns: { first: aggregates.min("at", { where: filter }) },
    });
  await migrate(table, of(undefined, "outcome = 'success'"));
  expect((await plan(table, of("user_id != ''", "outcome = 'success'"))).find((step) => step.kind === "refused")?.summary).toBe(
    "seen__states holds 'headrace states of meaning', and is defined as 'headrace states of meaning where user_id != '''",
  );
  expect((await plan(table, of(undefined, "outcome = 'failure'"))).find((step) => step.kind === "refused")?.summary).toBe(
    "seen__states.first holds states of min(at) where outcome = 'success', and is defined as min(at) where outcome = 'failure'",
  );
});

test("an enum of an aggregate's key, of its arguments and of a view takes new names", async () => {
  const before = tableOf("kinds");
  const view = defineView("kinds_seen", "SELECT user_id, outcome FROM kinds FINAL");
  const of = (table: typeof before) =>
    defineAggregate("by_kind", {
      from: table,
      groupBy: ["outcome"],
      columns: { users: aggregates.uniqExact("user_id"), last: aggregates.argMax("outcome", "at") },
    });
  await migrate(before, of(before), view);
  await write(before, [rowOf("ann", 1)]);
  const after = defineTable("kinds", { columns: { ...base, outcome: c.enum(["success", "failure", "ended"]) }, ...options });
  await migrate(after, of(after), view);
  await write(after, [rowOf("bob", 2, "ended")]);
  expect(await client.query("SELECT outcome, toUInt32(users) AS users, last FROM by_kind ORDER BY outcome")).toEqual([
    { outcome: "success", users: 1, last: "success" },
    { outcome: "ended", users: 1, last: "ended" },
  ]);
  expect(await client.query("SELECT outcome FROM kinds_seen ORDER BY outcome")).toEqual([
    { outcome: "success" },
    { outcome: "ended" },
  ]);
});
