import { createWriter, writeText, writeVarint } from "./writer.ts";

/** Bytes of a value, for the types whose values all have as many. */
const widths: Readonly<Record<string, number>> = {
  ...{ Bool: 1, UInt8: 1, Int8: 1, Enum8: 1 },
  ...{ UInt16: 2, Int16: 2, Date: 2, Enum16: 2 },
  ...{ UInt32: 4, Int32: 4, Float32: 4, DateTime: 4 },
  ...{ UInt64: 8, Int64: 8, Float64: 8, DateTime64: 8 },
  UUID: 16,
};

interface Range {
  /** Rows of the column. */
  readonly rows: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Cuts the rows `from` to `to` (exclusive) out of a block that our encoder made: the same bytes as if only they had been encoded.
 * So rows need not be kept for the rare block that ClickHouse refuses. A block names its own types.
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
  const inner = /^(Nullable|Array)\((.*)\)$/s.exec(type);
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
