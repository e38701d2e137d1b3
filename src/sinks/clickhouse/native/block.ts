import { createWriter, writeText, writeVarint } from "./writer.ts";

/** Bytes of a value, for the types whose values all have as many. */
const widths: Readonly<Record<string, number>> = {
  ...{ Bool: 1, UInt8: 1, Int8: 1, Enum8: 1 },
  ...{ UInt16: 2, Int16: 2, Date: 2, Enum16: 2 },
  ...{ UInt32: 4, Int32: 4, Float32: 4, DateTime: 4 },
  ...{ UInt64: 8, Int64: 8, Float64: 8, DateTime64: 8 },
  UUID: 16,
};

/** A type whose columns begin with something of their own, before the cells of the type that it holds. */
const wrapper = /^(Nullable|Array)\((.*)\)$/s;

/** A block in ClickHouse's Native format, as our encoder makes it. It names its own types. */
export interface NativeBlock {
  readonly bytes: Buffer;
  readonly rows: number;
  /** Where the cells of each column are in `bytes`. */
  readonly columns: readonly Extent[];
}

interface Extent {
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
}

interface Range {
  /** Rows of the column. */
  readonly rows: number;
  readonly from: number;
  readonly to: number;
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
  const reader = { bytes: first.bytes, position: 0 };
  const columns = readVarint(reader);
  readVarint(reader);
  const parts: Buffer[] = [head((writer) => [columns, rows].forEach((count) => writeVarint(writer, count)))];
  for (const [i, { to }] of first.columns.entries()) {
    const start = reader.position;
    readText(reader);
    const type = readText(reader);
    parts.push(first.bytes.subarray(start, reader.position));
    const pieces = blocks.map((block) => ({ ...block, ...(block.columns[i] as Extent) }));
    joinColumn(pieces, type, parts);
    reader.position = to;
  }
  return Buffer.concat(parts);
}

interface ColumnPiece extends Extent {
  readonly bytes: Buffer;
  readonly rows: number;
}

function joinColumn(pieces: readonly ColumnPiece[], type: string, parts: Buffer[]): void {
  const inner = wrapper.exec(type);
  if (inner?.[1] === "Nullable") {
    for (const { bytes, from, rows } of pieces) parts.push(bytes.subarray(from, from + rows));
    const values = pieces.map((piece) => ({ ...piece, from: piece.from + piece.rows }));
    return joinColumn(values, inner[2] as string, parts);
  }
  if (inner?.[1] === "Array") {
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
    return joinColumn(elements, inner[2] as string, parts);
  }
  for (const { bytes, from, to } of pieces) parts.push(bytes.subarray(from, to));
}

/**
 * Cuts the rows `from` to `to` (exclusive) out of a block that our encoder made: the same bytes as if only they had been encoded.
 * So rows need not be kept for the rare block that ClickHouse refuses.
 */
export function sliceBlock(block: Buffer, from: number, to: number): Buffer {
  const reader = { bytes: block, position: 0 };
  const columns = readVarint(reader);
  const rows = readVarint(reader);
  const parts: Buffer[] = [head((writer) => [columns, to - from].forEach((count) => writeVarint(writer, count)))];
  for (let i = 0; i < columns; i++) {
    const name = readText(reader);
    const type = readText(reader);
    parts.push(head((writer) => [name, type].forEach((text) => writeText(writer, text))));
    sliceColumn(reader, type, { rows, from, to }, parts);
  }
  return Buffer.concat(parts);
}

interface Reader {
  readonly bytes: Buffer;
  position: number;
}

function sliceColumn(reader: Reader, type: string, { rows, from, to }: Range, parts: Buffer[]): void {
  const { bytes, position } = reader;
  const inner = wrapper.exec(type);
  if (inner?.[1] === "Nullable") {
    parts.push(bytes.subarray(position + from, position + to));
    reader.position += rows;
    return sliceColumn(reader, inner[2] as string, { rows, from, to }, parts);
  }
  if (inner?.[1] === "Array") {
    const end = (row: number) => (row === 0 ? 0n : bytes.readBigUInt64LE(position + 8 * (row - 1)));
    const offsets = Buffer.alloc(8 * (to - from));
    for (let row = from; row < to; row++) offsets.writeBigUInt64LE(end(row + 1) - end(from), 8 * (row - from));
    parts.push(offsets);
    reader.position += 8 * rows;
    return sliceColumn(
      reader,
      inner[2] as string,
      { rows: Number(end(rows)), from: Number(end(from)), to: Number(end(to)) },
      parts,
    );
  }
  const width = widths[type.replace(/\(.*$/s, "")];
  if (width !== undefined) {
    parts.push(bytes.subarray(position + width * from, position + width * to));
    reader.position += width * rows;
    return;
  }
  if (type !== "String") throw new Error(`the encoder writes no columns of type ${type}`);
  skipTexts(reader, from);
  const start = reader.position;
  skipTexts(reader, to - from);
  parts.push(bytes.subarray(start, reader.position));
  skipTexts(reader, rows - to);
}

function head(write: (writer: ReturnType<typeof createWriter>) => void): Buffer {
  const writer = createWriter(64);
  write(writer);
  return writer.bytes.subarray(0, writer.position);
}

function skipTexts(reader: Reader, count: number): void {
  for (let i = 0; i < count; i++) {
    const length = readVarint(reader);
    reader.position += length;
  }
}

function readText(reader: Reader): string {
  const length = readVarint(reader);
  reader.position += length;
  return reader.bytes.toString("utf8", reader.position - length, reader.position);
}

function readVarint(reader: Reader): number {
  let value = 0;
  for (let unit = 1; ; unit *= 128) {
    const byte = reader.bytes[reader.position++] as number;
    value += (byte & 127) * unit;
    if (byte < 128) return value;
  }
}
