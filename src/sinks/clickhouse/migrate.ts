import { type Clock, systemClock } from "../../core/clock.ts";
import { minutes } from "../../core/duration.ts";
import { ConfigError, RetryableError } from "../../core/errors.ts";
import { byDay } from "../../plan/rollup.ts";
import type { AggregatePlan, TableObjectPlan } from "../../plan/table.ts";
import { readCatalog } from "./catalog.ts";
import type { ClickHouse } from "./client.ts";
import { mayGrow } from "./column-kinds.ts";
import { backfill, feedName, statesName } from "./ddl-aggregate.ts";
import { rowsName } from "./ddl-rollup.ts";
import { planAggregate } from "./migrate-aggregate.ts";
import { planRollup } from "./migrate-rollup.ts";
import { planTable, planView } from "./migrate-table.ts";
import type { MigrationStep } from "./migration-step.ts";
import { quoteName } from "./quote.ts";
import { rebuild } from "./rebuild.ts";
import { createRollupStore } from "./rollup-rows.ts";
import { columnType } from "./types.ts";

export type { MigrationStep } from "./migration-step.ts";

/**
 * Compares the tables, aggregates, rollups and views that are wanted with what is in the client's database, and says what is to be done.
 * Empty when all is as it should be. What is not defined is left alone.
 *
 * @throws ConfigError `config.invalid` when two objects would have one name
 */
export async function planMigration(objects: readonly TableObjectPlan[], client: ClickHouse): Promise<readonly MigrationStep[]> {
  const wanted = withSources(objects);
  checkNames(wanted);
  const catalog = await readCatalog(client);
  const basis = growingTypes(wanted);
  const feeders = new Set<TableObjectPlan>(
    wanted.flatMap((object) => (object.kind === "aggregate" || object.kind === "rollup" ? [object.from] : [])),
  );
  const steps = wanted.flatMap((object) => {
    switch (object.kind) {
      case "table":
        return planTable(object, catalog ?? new Map(), feeders.has(object));
      case "aggregate":
        return planAggregate(object, catalog ?? new Map());
      case "rollup":
        return planRollup(object, catalog ?? new Map());
      case "view":
        return planView({ ...object, basis }, catalog ?? new Map());
      default:
        throw object satisfies never;
    }
  });
  if (catalog !== undefined) return steps;
  const { database } = client;
  const create = `CREATE DATABASE IF NOT EXISTS ${quoteName(database)}`;
  return [{ kind: "createDatabase", object: database, summary: `create the database ${database}`, sql: create }, ...steps];
}

export interface ApplyOptions {
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  /** Told before each step. */
  readonly onStep?: (step: MigrationStep) => void;
}

/**
 * Does the steps of a plan in their order. Each may be repeated, so a migration that was stopped half-way is planned and applied again.
 *
 * @throws ConfigError `migrate.unsafe` when a step was refused; then nothing has been done
 */
export async function applyMigration(
  steps: readonly MigrationStep[],
  client: ClickHouse,
  options: ApplyOptions = {},
): Promise<void> {
  const unsafe = steps.find((step) => step.kind === "refused");
  if (unsafe !== undefined) throw new ConfigError("migrate.unsafe", unsafe.summary, { hint: unsafe.hint });
  for (const step of steps) {
    options.onStep?.(step);
    try {
      await apply(step, client, options);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      throw new ConfigError(error.code, `could not ${step.summary}: ${error.message}`, {
        hint: `Correct the definition of '${step.object}', or the grants of the user.`,
        cause: error,
      });
    }
  }
}

/** Long enough for an ALTER that rewrites parts, or for the states of one partition. */
const stepTimeoutMs = minutes(60);

async function apply(step: MigrationStep, client: ClickHouse, options: ApplyOptions): Promise<void> {
  const call = { timeoutMs: stepTimeoutMs, ...(options.signal && { signal: options.signal }) };
  switch (step.kind) {
    case "createDatabase": {
      const system = client.using("system");
      try {
        return await system.run(step.sql, call);
      } finally {
        await system.close();
      }
    }
    case "create":
    case "alter":
    case "replace":
      return client.run(step.sql, call);
    case "rebuild": {
      const { clock = systemClock, signal } = options;
      return rebuild(step.table, {
        client,
        readCatalog: () => readCatalog(client),
        insertsUnderWay: () => insertsUnderWay(client, { clock, ...(signal && { signal }) }),
        call,
      });
    }
    case "backfill":
      return fill(step.aggregate, client, options);
    case "recount": {
      const store = createRollupStore(client);
      const buckets = await store.buckets(step.rollup, options.signal);
      for (const starts of byDay(buckets)) await store.recount(step.rollup, starts, options.signal);
      return;
    }
    case "refused":
      return;
    default:
      throw step satisfies never;
  }
}

/** Fills an aggregate, one partition of the source after another, so that memory is bounded by a partition. */
async function fill(aggregate: AggregatePlan, client: ClickHouse, { signal, clock = systemClock }: ApplyOptions): Promise<void> {
  const call = { timeoutMs: stepTimeoutMs, ...(signal && { signal }) };
  await insertsUnderWay(client, { clock, ...(signal && { signal }) });
  const partitions = await client.query<{ id: string }>(
    `SELECT DISTINCT partition_id AS id FROM system.parts
     WHERE database = {database:String} AND table = {table:String} AND active ORDER BY id`,
    { ...call, params: { database: client.database, table: aggregate.from.name } },
  );
  for (const { id } of partitions) await client.run(backfill(aggregate, id), call);
}

/** An insert that began before the feed was there does not feed it, and its rows may not be visible yet: they would be in neither. */
async function insertsUnderWay(
  client: ClickHouse,
  options: { readonly clock: Clock; readonly signal?: AbortSignal },
): Promise<void> {
  const ids = async () =>
    (await client.query<{ id: string }>("SELECT query_id AS id FROM system.processes WHERE query_kind = 'Insert'")).map(
      ({ id }) => id,
    );
  const before = new Set(await ids());
  const deadline = options.clock.monotonic() + minutes(2);
  while (before.size > 0 && (await ids()).some((id) => before.has(id))) {
    options.signal?.throwIfAborted();
    if (options.clock.monotonic() > deadline) {
      throw new RetryableError("clickhouse.retry", "inserts that began before the migration have not ended within 2 minutes", {
        hint: "Run `headrace migrate --apply` again.",
      });
    }
    await options.clock.sleep(200, options.signal);
  }
}

/** Aggregates and rollups bring the table they read from, before them. */
function withSources(objects: readonly TableObjectPlan[]): readonly TableObjectPlan[] {
  const all = new Set<TableObjectPlan>();
  for (const object of objects) if (object.kind === "table") all.add(object);
  for (const object of objects) {
    if (object.kind === "aggregate" || object.kind === "rollup") all.add(object.from);
    all.add(object);
  }
  return [...all];
}

/** A view says nothing of what it reads, so each is taken to show every column whose type migrations may change in place. */
function growingTypes(objects: readonly TableObjectPlan[]): string {
  const columns = objects.flatMap((object) => (object.kind === "table" ? object.columns : []));
  return columns.flatMap((column) => (mayGrow(column.type) ? [columnType(column)] : [])).join();
}

function checkNames(objects: readonly TableObjectPlan[]): void {
  const owners = new Map<string, string>();
  for (const object of objects) {
    for (const name of namesOf(object)) {
      const owner = owners.get(name);
      if (owner !== undefined) {
        throw new ConfigError("config.invalid", `'${name}' is needed by two definitions, '${owner}' and '${object.name}'`, {
          hint: "Rename one of them.",
        });
      }
      owners.set(name, object.name);
    }
  }
}

function namesOf(object: TableObjectPlan): readonly string[] {
  switch (object.kind) {
    case "aggregate":
      return [object.name, statesName(object), feedName(object)];
    case "rollup":
      return [object.name, rowsName(object)];
    case "table":
    case "view":
      return [object.name];
    default:
      return object satisfies never;
  }
}
