import { TerminalError } from "../../core/errors.ts";
import type { TablePlan } from "../../plan/table.ts";
import type { Rejected } from "../port.ts";
import type { EncodedBlock, Encoder } from "./native/encoder.ts";
import { splitByPartition } from "./partitions.ts";

/** Rows that may go in together, encoded, and the index in the batch of each. */
export interface Group {
  readonly rows: readonly object[];
  readonly indexes: readonly number[] | undefined;
  readonly block: EncodedBlock;
}

/** Encodes a batch, as one group or as several where it spans too many partitions. */
export function prepareInsert(table: TablePlan, encode: Encoder, rows: readonly object[]): readonly Group[] {
  const groups = splitByPartition(table, rows);
  if (groups === undefined) return [{ rows, indexes: undefined, block: encode(rows) }];
  return groups.map((indexes) => {
    const members = indexes.map((index) => rows[index] as object);
    return { rows: members, indexes, block: encode(members) };
  });
}

export interface InsertDeps {
  readonly encode: Encoder;
  /** Inserts a block; waits and repeats by itself. Throws TerminalError when ClickHouse refuses the data. */
  readonly send: (block: Buffer) => Promise<void>;
  /** Throws ConfigError when the table is not the one that is defined. Asked once, before any row is blamed. */
  readonly verify: () => Promise<void>;
}

/**
 * Inserts a prepared batch. Rows that do not fit their columns are rejected. A block that ClickHouse refuses for its data is halved
 * again and again until the rows to blame stand alone and are rejected with ClickHouse's reason: k bad rows of n cost about 2 k log2(n) inserts.
 * Parts of a batch that failed may have gone in: inserting rows again changes nothing.
 */
export async function insertGroups(groups: readonly Group[], deps: InsertDeps): Promise<readonly Rejected[]> {
  const rejected: Rejected[] = [];
  let verified: Promise<void> | undefined;
  for (const { rows, indexes, block } of groups) {
    const indexInBatch = (index: number) => (indexes === undefined ? index : (indexes[index] as number));
    for (const { rowIndex, column, reason } of block.rejected)
      rejected.push({ row: indexInBatch(rowIndex), reason: `${column} ${reason}` });
    await insertBlock({ bytes: block.bytes, kept: block.kept }, (index) => rows[index] as object, indexInBatch);
  }
  return rejected;

  async function insertBlock(
    block: { readonly bytes: Buffer; readonly kept: readonly number[] },
    rowAt: (index: number) => object,
    indexInBatch: (index: number) => number,
  ): Promise<void> {
    if (block.kept.length === 0) return;
    try {
      await deps.send(block.bytes);
    } catch (error) {
      if (!(error instanceof TerminalError)) throw error;
      verified ??= deps.verify();
      await verified;
      if (block.kept.length === 1) {
        rejected.push({ row: indexInBatch(block.kept[0] as number), reason: error.message });
        return;
      }
      const middle = block.kept.length >> 1;
      for (const half of [block.kept.slice(0, middle), block.kept.slice(middle)]) {
        await insertBlock({ bytes: deps.encode(half.map(rowAt)).bytes, kept: half }, rowAt, indexInBatch);
      }
    }
  }
}
