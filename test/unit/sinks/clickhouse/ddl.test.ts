import { expect, test } from "vitest";
import { aggregates, defineAggregate } from "../../../../src/dsl/aggregate.ts";
import { c } from "../../../../src/dsl/columns.ts";
import { defineRollup, rollups } from "../../../../src/dsl/rollup.ts";
import { defineTable } from "../../../../src/dsl/table.ts";
import { createTable } from "../../../../src/sinks/clickhouse/ddl.ts";
import { createFeed, createStates, mergedView } from "../../../../src/sinks/clickhouse/ddl-aggregate.ts";
import { recount, rollupView, rowsTable } from "../../../../src/sinks/clickhouse/ddl-rollup.ts";
import { maxPartitionsPerInsert, splitByPartition } from "../../../../src/sinks/clickhouse/partitions.ts";

const logins = defineTable("logins", {
  columns: {
    event_id: c.uuid(),
    user_id: c.string().codec("ZSTD(1)"),
    outcome: c.enum(["success", "it's"]).default("it's"),
    at: c.dateTime64(3).codec("DoubleDelta, ZSTD(1)"),
    country: c.string().lowCardinality().nullable(),
    tags: c.array(c.string()).default(["a\\b"]),
  },
  orderBy: ["user_id", "at", "event_id"],
  partitionBy: { unit: "day", column: "at" },
  ttl: { column: "at", days: 400 },
});

test("a table's DDL has every identifier quoted, and the settings that make repeats harmless", () => {
  expect(createTable(logins.plan)).toBe(String.raw`CREATE TABLE IF NOT EXISTS ${"`logins`"} (
  ${"`event_id`"} UUID,
  ${"`user_id`"} String CODEC(ZSTD(1)),
  ${"`outcome`"} Enum8('success' = 1, 'it\'s' = 2) DEFAULT 'it\'s',
  ${"`at`"} DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
  ${"`country`"} LowCardinality(Nullable(String)),
  ${"`tags`"} Array(String) DEFAULT ['a\\b']
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMMDD(${"`at`"})
ORDER BY (${"`user_id`, `at`, `event_id`"})
TTL toDateTime(least(toDateTime64(${"`at`"}, 0, 'UTC'), toDateTime64('2105-01-03', 0, 'UTC')), 'UTC') + toIntervalDay(400) DELETE
SETTINGS non_replicated_deduplication_window = 0, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1, ttl_only_drop_parts = 1
COMMENT 'headrace table'`);
});

test("an aggregate's DDL keeps states over nullable arguments, so that a state of nothing is nothing", () => {
  const { plan } = defineAggregate("sessions", {
    from: logins,
    where: "user_id != ''",
    groupBy: ["user_id"],
    columns: { started_at: aggregates.min("at"), last: aggregates.argMax("outcome", "at", { where: "country = 'PL'" }) },
  });
  expect(createStates(plan)).toBe(`CREATE TABLE IF NOT EXISTS \`sessions__states\` (
  \`user_id\` String,
  \`started_at\` SimpleAggregateFunction(min, Nullable(DateTime64(3, 'UTC'))) COMMENT 'min(at)',
  \`last\` AggregateFunction(argMax, Nullable(String), Nullable(DateTime64(3, 'UTC'))) COMMENT 'argMax(outcome, at) where country = \\'PL\\''
)
ENGINE = AggregatingMergeTree
ORDER BY (\`user_id\`)
SETTINGS non_replicated_deduplication_window = 0
COMMENT 'headrace states of logins where user_id != \\'\\''`);
  expect(createFeed(plan)).toContain("CREATE MATERIALIZED VIEW IF NOT EXISTS `sessions__feed` TO `sessions__states`");
  expect(createFeed(plan)).toContain(
    "argMaxState(if((country = 'PL'), CAST(source.`outcome`, 'Nullable(String)'), NULL), CAST(source.`at`, 'Nullable(DateTime64(3, \\'UTC\\'))')) AS `__headrace_last`",
  );
  expect(mergedView(plan)).toMatchObject({ name: "sessions" });
  expect(mergedView(plan).sql).toBe(
    "SELECT states.`user_id` AS `user_id`, min(states.`started_at`) AS `started_at`, argMaxMerge(states.`last`) AS `last`\nFROM `sessions__states` AS states\nGROUP BY states.`user_id`",
  );
});

test("a rollup's rows are cut and aged as its source is; one statement counts buckets, and buries the keys that are gone", () => {
  const { plan } = defineRollup("by_country", {
    from: logins,
    time: "at",
    every: "hour",
    where: "user_id != ''",
    groupBy: ["outcome"],
    columns: { events: rollups.count({ where: "country = 'PL'" }), last: rollups.max("at") },
  });
  expect(createTable(rowsTable(plan))).toBe(`CREATE TABLE IF NOT EXISTS \`by_country_rows\` (
  \`hour\` DateTime('UTC'),
  \`outcome\` Enum8('success' = 1, 'it\\'s' = 2),
  \`events\` UInt64,
  \`last\` Nullable(DateTime64(3, 'UTC')),
  \`version\` UInt64,
  \`is_deleted\` UInt8
)
ENGINE = ReplacingMergeTree(\`version\`, \`is_deleted\`)
PARTITION BY toYYYYMMDD(\`hour\`)
ORDER BY (\`hour\`, \`outcome\`)
TTL toDateTime(least(toDateTime64(\`hour\`, 0, 'UTC'), toDateTime64('2105-01-03', 0, 'UTC')), 'UTC') + toIntervalDay(400) DELETE
SETTINGS non_replicated_deduplication_window = 0, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1, ttl_only_drop_parts = 1
COMMENT 'headrace table'`);
  const sql = recount(plan, [3_600_000, 7_200_000], { version: 17n });
  expect(sql).toContain("if((country = 'PL'), CAST(1, 'Nullable(UInt8)'), NULL) AS `__headrace_events`");
  expect(sql).toContain(
    "WHERE source.`at` >= toDateTime(3600, 'UTC') AND source.`at` < toDateTime(10800, 'UTC') AND toStartOfHour(toDateTime(source.`at`, 'UTC')) IN (toDateTime(3600, 'UTC'), toDateTime(7200, 'UTC')) AND (user_id != '')",
  );
  expect(rollupView(plan).sql).toBe("SELECT `hour`, `outcome`, `events`, `last` FROM `by_country_rows` FINAL");
});

test("rows of few days go together; rows of many are split, and no row is left out", () => {
  const days = (count: number) =>
    Array.from({ length: count * 3 }, (_, i) => ({ at: new Date(Date.UTC(2026, 0, 7 + (i % count))) }));
  const together = splitByPartition(logins.plan, days(maxPartitionsPerInsert));
  expect(together).toMatchObject([{ indexes: undefined }]);
  expect(together[0]?.partitions.size).toBe(maxPartitionsPerInsert);
  expect(splitByPartition(logins.plan, [])).toEqual([]);
  const rows = [...days(25), { at: "no date" }, { at: new Date(Number.NaN) }, {}];
  const groups = splitByPartition(logins.plan, rows).map(({ indexes = [] }) => indexes);
  expect(groups.flat().sort((a, b) => a - b)).toEqual(rows.map((_, index) => index));
  for (const group of groups) {
    expect(new Set(group.map((index) => String(rows[index]?.at))).size).toBeLessThanOrEqual(maxPartitionsPerInsert + 3);
  }
});
