import type { Layout } from "./layout.ts";
import { createWriter, writeVarint } from "./writer.ts";

/** A block in ClickHouse's Native format, as our encoder makes it: a head, then each column's name and type, and its cells. */
export interface NativeBlock {
  readonly bytes: Buffer;
  readonly rows: number;
  readonly columns: readonly CellExtent[];
}

/** Where the cells of a column are in the bytes of a block, and how they lie there. */
export interface CellExtent {
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
  readonly layout: Layout;
}

/**
 * One block with the rows of all, in their order: the same bytes as if they had been encoded together. For twenty blocks of a thousand
 * rows ClickHouse uses a twelfth more of the processor than for one of twenty thousand.
 *
 * @param blocks - at least one, of one table
 */
export function joinBlocks(blocks: readonly NativeBlock[]): Buffer {
  const [first] = blocks as readonly [NativeBlock];
  if (blocks.length === 1) return first.bytes;
  const rows = blocks.reduce((sum, block) => sum + block.rows, 0);
  const parts: Buffer[] = [head(first, rows)];
  for (const [i, { layout }] of first.columns.entries()) {
    parts.push(nameOf(first, i));
    const pieces = blocks.map(({ bytes, rows, columns }) => ({ bytes, rows, ...(columns[i] as CellExtent) }));
    joinCells(pieces, layout, parts);
  }
  return Buffer.concat(parts);
}

/**
 * Cuts the rows `from` to `to` (exclusive) out of a block that our encoder made: the same bytes as if only they had been encoded.
 * So rows need not be kept for the rare block that ClickHouse refuses.
 */
export function sliceBlock(block: NativeBlock, from: number, to: number): Buffer {
  const { bytes, rows, columns } = block;
  const parts: Buffer[] = [head(block, to - from)];
  for (const [i, { from: position, layout }] of columns.entries()) {
    parts.push(nameOf(block, i));
    sliceCells({ bytes, position }, layout, { rows, from, to }, parts);
  }
  return Buffer.concat(parts);
}

interface ColumnPiece {
  readonly bytes: Buffer;
  readonly rows: number;
  readonly from: number;
  readonly to: number;
}

function joinCells(pieces: readonly ColumnPiece[], layout: Layout, parts: Buffer[]): void {
  switch (layout.kind) {
    case "fixed":
    case "texts":
      for (const { bytes, from, to } of pieces) parts.push(bytes.subarray(from, to));
      return;
    case "nullable": {
      for (const { bytes, from, rows } of pieces) parts.push(bytes.subarray(from, from + rows));
      const values = pieces.map((piece) => ({ ...piece, from: piece.from + piece.rows }));
      return joinCells(values, layout.of, parts);
    }
    case "arrays": {
      let before = 0n;
      const elements = pieces.map((piece) => {
        const offsets = Buffer.alloc(8 * piece.rows);
        let end = 0n;
        for (let row = 0; row < piece.rows; row++) {
          end = piece.bytes.readBigUInt64LE(piece.from + 8 * row);
          offsets.writeBigUInt64LE(before + end, 8 * row);
        }
        parts.push(offsets);
        before += end;
        return { ...piece, rows: Number(end), from: piece.from + 8 * piece.rows };
      });
      return joinCells(elements, layout.of, parts);
    }
    default:
      throw layout satisfies never;
  }
}

interface Reader {
  readonly bytes: Buffer;
  position: number;
}

/** Which rows of a column's are wanted. */
interface Range {
  readonly rows: number;
  readonly from: number;
  readonly to: number;
}

function sliceCells(reader: Reader, layout: Layout, { rows, from, to }: Range, parts: Buffer[]): void {
  const { bytes, position } = reader;
  switch (layout.kind) {
    case "fixed":
      parts.push(bytes.subarray(position + layout.bytes * from, position + layout.bytes * to));
      return;
    case "texts": {
      skipTexts(reader, from);
      const start = reader.position;
      skipTexts(reader, to - from);
      parts.push(bytes.subarray(start, reader.position));
      return;
    }
    case "nullable":
      parts.push(bytes.subarray(position + from, position + to));
      reader.position += rows;
      return sliceCells(reader, layout.of, { rows, from, to }, parts);
    case "arrays": {
      const end = (row: number) => (row === 0 ? 0n : bytes.readBigUInt64LE(position + 8 * (row - 1)));
      const offsets = Buffer.alloc(8 * (to - from));
      for (let row = from; row < to; row++) offsets.writeBigUInt64LE(end(row + 1) - end(from), 8 * (row - from));
      parts.push(offsets);
      reader.position += 8 * rows;
      const elements = { rows: Number(end(rows)), from: Number(end(from)), to: Number(end(to)) };
      return sliceCells(reader, layout.of, elements, parts);
    }
    default:
      throw layout satisfies never;
  }
}

/** The head of a block with the columns of another. */
function head({ columns }: NativeBlock, rows: number): Buffer {
  const writer = createWriter(64);
  writeVarint(writer, columns.length);
  writeVarint(writer, rows);
  return writer.bytes.subarray(0, writer.position);
}

/** The name and type of a column as they stand before its cells: behind the column before it, or behind the head. */
function nameOf({ bytes, columns, rows }: NativeBlock, i: number): Buffer {
  const start = columns[i - 1]?.to ?? head({ bytes, columns, rows }, rows).length;
  return bytes.subarray(start, columns[i]?.from);
}

function skipTexts(reader: Reader, count: number): void {
  for (let i = 0; i < count; i++) {
    const length = readVarint(reader);
    reader.position += length;
  }
}

function readVarint(reader: Reader): number {
  let value = 0;
  for (let unit = 1; ; unit *= 128) {
    const byte = reader.bytes[reader.position++] as number;
    value += (byte & 127) * unit;
    if (byte < 128) return value;
  }
}
