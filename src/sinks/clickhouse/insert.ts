import { TerminalError } from "../../core/errors.ts";
import { getOrMake } from "../../core/get-or-make.ts";
import type { TablePlan } from "../../plan/table.ts";
import type { Rejected } from "../port.ts";
import { joinBlocks, type NativeBlock, sliceBlock } from "./native/block.ts";
import type { Encoder, RowFault } from "./native/encoder.ts";
import { maxPartitionsPerInsert, type PartitionGroup, splitByPartition } from "./partitions.ts";

/** Rows encoded as soon as they were written. Only their bytes are kept: row objects that waited would burden the garbage collector. */
export interface PreparedRows {
  /** Rows, refused ones included. */
  readonly count: number;
  readonly blocks: readonly Block[];
  /** Rows that do not fit their columns. */
  readonly faults: readonly RowFault[];
}

/** A Native block whose rows may go in together. */
interface Block extends NativeBlock, Pick<PartitionGroup, "range" | "partitions"> {
  /** For each row of the block, its index in the piece; `undefined` where they are the same. */
  readonly indexes: readonly number[] | undefined;
}

const indexIn = (indexes: readonly number[] | undefined, row: number): number =>
  indexes === undefined ? row : (indexes[row] as number);

/** Encodes rows, in one block, or in several where they lie in several ranges of partitions. */
export function prepareInsert(table: TablePlan, encode: Encoder, rows: readonly object[]): PreparedRows {
  const faults: RowFault[] = [];
  const blocks = splitByPartition(table, rows).map(({ range, indexes, partitions }): Block => {
    const given = indexes === undefined ? rows : indexes.map((index) => rows[index] as object);
    const { kept, rejected, ...block } = encode(given);
    for (const fault of rejected) faults.push({ ...fault, rowIndex: indexIn(indexes, fault.rowIndex) });
    const rowsOf = kept && indexes ? kept.map((row) => indexes[row] as number) : (kept ?? indexes);
    return { ...block, range, indexes: rowsOf, partitions };
  });
  return { count: rows.length, blocks: blocks.filter((block) => block.rows > 0), faults };
}

export interface InsertDeps {
  /** Inserts a block; waits and repeats by itself. Throws TerminalError when ClickHouse refuses the data. */
  readonly send: (block: Buffer) => Promise<void>;
  /** Throws ConfigError when the table is not the one that is defined. Asked once, before any row is blamed. */
  readonly verify: () => Promise<void>;
}

/** A block with the index of each of its rows in the batch. */
interface PlacedBlock extends Block {
  readonly base: number;
}

/**
 * Inserts a batch of pieces. Rows that do not fit their columns are rejected. What ClickHouse refuses for its data is halved, first
 * into blocks, then into rows, until the rows to blame stand alone and are rejected with ClickHouse's reason: k bad rows of n cost
 * about 2 k log2(n) inserts. Parts of a batch that failed may have gone in: inserting rows again changes nothing.
 */
export async function insertPieces(pieces: readonly PreparedRows[], deps: InsertDeps): Promise<readonly Rejected[]> {
  const rejected: Rejected[] = [];
  const placed: PlacedBlock[] = [];
  let base = 0;
  for (const { count, blocks, faults } of pieces) {
    for (const { rowIndex, column, reason } of faults) rejected.push({ row: base + rowIndex, reason: `${column} ${reason}` });
    for (const block of blocks) placed.push({ ...block, base });
    base += count;
  }
  let verified: Promise<void> | undefined;
  for (const insert of joined(placed)) await insertBlocks(insert);
  return rejected;

  /** Why ClickHouse refuses the data of some; `undefined` when all are in. */
  async function refusalOf(bytes: Buffer): Promise<TerminalError | undefined> {
    try {
      await deps.send(bytes);
      return undefined;
    } catch (error) {
      if (!(error instanceof TerminalError)) throw error;
      verified ??= deps.verify();
      await verified;
      return error;
    }
  }

  async function insertBlocks(blocks: readonly PlacedBlock[]): Promise<void> {
    const [first] = blocks;
    if (first === undefined) return;
    if (blocks.length === 1) return insertRows(first, 0, first.rows);
    if ((await refusalOf(joinBlocks(blocks))) === undefined) return;
    const middle = blocks.length >> 1;
    await insertBlocks(blocks.slice(0, middle));
    await insertBlocks(blocks.slice(middle));
  }

  async function insertRows(block: PlacedBlock, from: number, to: number): Promise<void> {
    const isWhole = from === 0 && to === block.rows;
    const refusal = await refusalOf(isWhole ? block.bytes : sliceBlock(block, from, to));
    if (refusal === undefined) return;
    if (to - from === 1) {
      rejected.push({ row: block.base + indexIn(block.indexes, from), reason: refusal.message });
      return;
    }
    const middle = (from + to) >> 1;
    await insertRows(block, from, middle);
    await insertRows(block, middle, to);
  }
}

/**
 * Blocks that one insert can take: together they touch no more partitions than one may. All blocks of a range stay together, or those of
 * many writers, each of them over many days, would be many inserts that write parts of the same partitions. Rows of one partition stay in
 * their order.
 */
function joined(blocks: readonly PlacedBlock[]): readonly (readonly PlacedBlock[])[] {
  const ranges = new Map<number, PlacedBlock[]>();
  for (const block of blocks) getOrMake(ranges, block.range, () => []).push(block);
  const inserts: PlacedBlock[][] = [];
  let partitions = new Set<number>();
  for (const range of ranges.values()) {
    const touched = range.flatMap((block) => [...block.partitions]);
    const union = new Set([...partitions, ...touched]);
    const last = inserts.at(-1);
    if (last && union.size <= maxPartitionsPerInsert) {
      for (const block of range) last.push(block);
      partitions = union;
    } else {
      inserts.push(range);
      partitions = new Set(touched);
    }
  }
  return inserts;
}
