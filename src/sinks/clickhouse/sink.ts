import { type Clock, systemClock } from "../../core/clock.ts";
import { type Logger, silentLogger } from "../../core/log.ts";
import { Outage } from "../../core/outage.ts";
import type { RateLimit } from "../../core/rate-limit.ts";
import type { ClickHouseSinkPlan } from "../../plan/plan.ts";
import { noTelemetry, type Telemetry } from "../../telemetry/port.ts";
import { createBatcher } from "../batcher.ts";
import { createSinkGuards, guardedCall } from "../guarded-call.ts";
import type { Sink } from "../port.ts";
import { type RetryDeps, retrying } from "../retrying.ts";
import type { ClickHouse } from "./client.ts";
import { insertPieces, prepareInsert } from "./insert.ts";
import { compileEncoder } from "./native/encoder.ts";
import { verifyColumns } from "./verify-columns.ts";

export interface ClickHouseSinkDeps {
  readonly client: ClickHouse;
  /** Ends every wait and every insert under way. */
  readonly signal: AbortSignal;
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly logger?: Logger;
  /** The limit of the plan's guards. */
  readonly limit?: RateLimit | undefined;
  /** @default nobody is told */
  readonly telemetry?: Telemetry;
}

/**
 * The sink of one table. All writers of the table in a process share it: it encodes rows as they are written, joins them into
 * batches and keeps one insert under way, while the next batch is being encoded. For that, writers must let rows of two batches be
 * in flight.
 *
 * - A row that does not fit its columns, or that ClickHouse refuses for its values, is rejected by itself.
 * - While ClickHouse is away or overloaded the same rows are tried again, until they are in or `signal` aborts.
 * - Where the plan has guards, inserts wait for them too; verifying a table does not.
 * - When the table, a view behind it or the rights are wrong, the writes reject with ConfigError `clickhouse.schema`.
 */
export function createClickHouseSink(plan: ClickHouseSinkPlan, deps: ClickHouseSinkDeps): Sink {
  const {
    client,
    signal,
    clock = systemClock,
    random = Math.random,
    logger = silentLogger,
    limit,
    telemetry = noTelemetry,
  } = deps;
  const { table, timeoutMs } = plan;
  const encode = compileEncoder(table);

  // An outage is told of once: what the tries behind the first one say is for who looks closer.
  const texts = { began: "ClickHouse insert failed; it is repeated with the same rows", over: "ClickHouse answers again" };
  const name = `ClickHouse table '${table.name}'`;
  const retries: RetryDeps = {
    ...{ clock, random, signal, outage: new Outage(texts, { clock, logger }), about: { table: table.name } },
    onRetry: (retry) => telemetry.retry?.({ of: "call", call: name, ...retry }),
  };
  const repeat = <Result>(call: () => Promise<Result>) => retrying(plan.retry, retries, call);
  const guards = createSinkGuards(plan.guards, { name, clock, logger, limit, telemetry });
  const insert = (block: Buffer) => client.insertNative(table, block, { signal, timeoutMs });
  const send = (block: Buffer) => repeat(() => guardedCall(() => insert(block), { guards, signal }));
  const verify = () => repeat(() => verifyColumns(table, client, { signal, timeoutMs }));

  return createBatcher(
    {
      prepare: (rows) => prepareInsert(table, encode, rows),
      deliver: (pieces) => insertPieces(pieces, { send, verify }),
    },
    { name: table.name, batch: plan.batch, clock, signal },
  );
}
