import { days, minutes } from "../../core/duration.ts";
import type { RollupPlan } from "../../plan/table.ts";
import type { ClickHouse } from "./client.ts";
import { heldBuckets, recount } from "./ddl-rollup.ts";

/** How long one statement may take. Where one is given up, it is done again. */
const timeoutMs = minutes(10);

/**
 * Counts buckets of one day from the rows that the source holds now, in one statement, and resolves with how many it counted. Others
 * have begun before the source's ttl: a part of their rows may be gone, so what was counted stays, until it is as old itself.
 *
 * Counts of one bucket may overlap, also those of several workers: the one that knows more wins. Its version is asked of ClickHouse's
 * clock before it reads. Say that a count has not seen a row. Then its version is older than that row's insert, which is older than
 * the row's mark; and the count that this mark leads to asks for its version later still.
 * (Of several ClickHouse servers, ask always the one that is written to: another's clock may differ, and it may lag behind.)
 */
export async function recountBuckets(
  client: ClickHouse,
  rollup: RollupPlan,
  { starts, signal }: { readonly starts: readonly number[]; readonly signal?: AbortSignal | undefined },
): Promise<number> {
  const call = { timeoutMs, ...(signal && { signal }) };
  const [row] = await client.query<{ version: string }>("SELECT toString(toUnixTimestamp64Nano(now64(9))) AS version", call);
  const version = BigInt(row?.version ?? 0);
  const oldest = rollup.from.ttl ? Number(version / 1_000_000n) - days(rollup.from.ttl.days) : 0;
  const whole = starts.filter((start) => start >= oldest);
  if (whole.length > 0) await client.run(recount(rollup, whole, version), call);
  return whole.length;
}

/** Where the buckets begin that hold rows now, in the source or in the rollup, milliseconds since the epoch. */
export async function readBuckets(client: ClickHouse, rollup: RollupPlan, signal?: AbortSignal): Promise<readonly number[]> {
  const rows = await client.query<{ start: number }>(heldBuckets(rollup), { timeoutMs, ...(signal && { signal }) });
  return rows.map(({ start }) => Number(start) * 1_000);
}
