import { days, minutes } from "../../core/duration.ts";
import type { RollupPlan } from "../../plan/table.ts";
import type { ClickHouse } from "./client.ts";
import { heldBuckets, recount } from "./ddl-rollup.ts";

/** How long one statement may take. Where one is given up, it is done again. */
const timeoutMs = minutes(10);

/** Counts the buckets of rollups, and knows which there are. */
export function createRollupStore(client: ClickHouse) {
  const callWith = (signal: AbortSignal | undefined) => ({ timeoutMs, ...(signal && { signal }) });
  return {
    /**
     * Counts buckets of one day from the rows that the source holds now, in one statement, and resolves with how many it counted.
     * Others have begun before the source's ttl: a part of their rows may be gone, so what was counted stays, until it is as old itself.
     *
     * Counts of one bucket may overlap, also those of several workers: the one that knows more wins. Its version is asked of
     * ClickHouse's clock before it reads. Say that a count has not seen a row. Then its version is older than the row's insert, and so
     * than the row's mark; and the count that this mark leads to asks for its version later still.
     * (Of several ClickHouse servers, ask the one that is written to: another's clock may differ, and it may lag behind.)
     */
    async recount(rollup: RollupPlan, starts: readonly number[], signal?: AbortSignal): Promise<number> {
      const call = callWith(signal);
      const [row] = await client.query<{ version: string }>("SELECT toString(toUnixTimestamp64Nano(now64(9))) AS version", call);
      const version = BigInt(row?.version ?? 0);
      const oldest = rollup.from.ttl ? Number(version / 1_000_000n) - days(rollup.from.ttl.days) : 0;
      const whole = starts.filter((start) => start >= oldest);
      if (whole.length > 0) await client.run(recount(rollup, whole, version), call);
      return whole.length;
    },
    /** Where the buckets begin that hold rows now, in the source or in the rollup, milliseconds since the epoch. */
    async buckets(rollup: RollupPlan, signal?: AbortSignal): Promise<readonly number[]> {
      const rows = await client.query<{ start: number }>(heldBuckets(rollup), callWith(signal));
      return rows.map(({ start }) => Number(start) * 1_000);
    },
  };
}
