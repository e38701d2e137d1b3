import { days, minutes } from "../../core/duration.ts";
import { archivesTable, dayOf, startOfDay } from "../../plan/archive.ts";
import type { RollupPlan } from "../../plan/table.ts";
import type { CallOptions, ClickHouse } from "./client.ts";
import { heldBuckets, recount } from "./ddl-rollup.ts";
import { quoteName, quoteText } from "./quote.ts";

const onDay = (starts: readonly number[], day: string): readonly number[] => {
  const first = startOfDay(day) ?? Number.NaN;
  return starts.filter((start) => start >= first && start < first + days(1));
};

/** How long one statement may take. Where one is given up, it is done again. */
const timeoutMs = minutes(10);

/** Counts the buckets of rollups, and knows which there are. */
export function createRollupStore(client: ClickHouse) {
  const callWith = (signal: AbortSignal | undefined) => ({ timeoutMs, ...(signal && { signal }) });
  return {
    /**
     * Counts buckets of a few days from the rows that the source holds now, in one statement, and resolves with how many it counted.
     * Others have begun before the source's ttl: a part of their rows may be gone, so what was counted stays, until it is as old itself.
     *
     * Counts of one bucket may overlap, also those of several workers: the one that knows more wins. Its version is asked of
     * ClickHouse's clock before it reads. Say that a count has not seen a row. Then its version is older than the row's insert, and so
     * than the row's mark; and the count that this mark leads to asks for its version later still.
     * A day that is archived is not here, or only what came late of it: what was counted of it stays.
     * (Of several ClickHouse servers, ask the one that is written to: another's clock may differ, and it may lag behind.)
     */
    async recount(rollup: RollupPlan, starts: readonly number[], signal?: AbortSignal): Promise<number> {
      const call = callWith(signal);
      const { version, hasArchives } = await beginning(call);
      const oldest = rollup.from.ttl ? Number(version / 1_000_000n) - days(rollup.from.ttl.days) : 0;
      const archived = hasArchives ? await archivedDays(rollup, call) : new Set();
      const whole = starts.filter((start) => start >= oldest && !archived.has(dayOf(start)));
      if (whole.length > 0) await client.run(recount(rollup, whole, { version }), call);
      return whole.length;
    },
    /** Where the buckets begin that hold rows now, in the source or in the rollup, milliseconds since the epoch. */
    async buckets(rollup: RollupPlan, signal?: AbortSignal): Promise<readonly number[]> {
      return bucketsIn(rollup.from.name, rollup, callWith(signal));
    },
    /** The same, of one day. */
    async bucketsOn(rollup: RollupPlan, day: string): Promise<readonly number[]> {
      return onDay(await this.buckets(rollup), day);
    },
    /** Counts a day for the last time before it is archived, from another table that holds its rows. */
    async settle(rollup: RollupPlan, day: string, rowsIn: string): Promise<void> {
      const call = callWith(undefined);
      const { version } = await beginning(call);
      const starts = onDay(await bucketsIn(rowsIn, rollup, call), day);
      if (starts.length > 0) await client.run(recount(rollup, starts, { version, rowsIn }), call);
    },
  };

  async function bucketsIn(table: string, rollup: RollupPlan, call: CallOptions): Promise<readonly number[]> {
    const rows = await client.query<{ start: number }>(heldBuckets(rollup, table), call);
    return rows.map(({ start }) => Number(start) * 1_000);
  }

  async function beginning(call: CallOptions): Promise<{ readonly version: bigint; readonly hasArchives: boolean }> {
    const [row] = await client.query<{ version: string; archives: string }>(
      `SELECT toString(toUnixTimestamp64Nano(now64(9))) AS version, toString(count()) AS archives FROM system.tables
       WHERE database = ${quoteText(client.database)} AND name = ${quoteText(archivesTable.name)}`,
      call,
    );
    return { version: BigInt(row?.version ?? 0), hasArchives: row?.archives === "1" };
  }

  async function archivedDays({ from }: RollupPlan, call: CallOptions): Promise<ReadonlySet<unknown>> {
    const rows = await client.query<{ day: string }>(
      `SELECT DISTINCT toString(day) AS day FROM ${quoteName(archivesTable.name)} FINAL
       WHERE table_name = ${quoteText(from.name)} AND state IN ('dropping', 'archived')`,
      call,
    );
    return new Set(rows.map(({ day }) => day));
  }
}
