/**
 * One growing buffer that a block is written into. Encoders reserve room for a whole column, keep `position` in a local while they
 * write, and put it back: nothing is allocated per value.
 */
export interface Writer {
  bytes: Buffer;
  view: DataView;
  position: number;
}

export function createWriter(initialBytes = 1 << 20): Writer {
  const bytes = Buffer.allocUnsafeSlow(initialBytes);
  return { bytes, view: viewOf(bytes), position: 0 };
}

/** Makes room for `count` more bytes. `bytes` and `view` may be others afterwards. */
export function reserve(writer: Writer, count: number): void {
  const needed = writer.position + count;
  if (needed <= writer.bytes.length) return;
  const grown = Buffer.allocUnsafeSlow(Math.max(writer.bytes.length * 2, needed));
  writer.bytes.copy(grown, 0, 0, writer.position);
  writer.bytes = grown;
  writer.view = viewOf(grown);
}

/** An unsigned LEB128 number, up to 2^53. */
export function writeVarint(writer: Writer, value: number): void {
  reserve(writer, 8);
  let rest = value;
  while (rest >= 128) {
    writer.bytes[writer.position++] = (rest % 128) | 128;
    rest = Math.floor(rest / 128);
  }
  writer.bytes[writer.position++] = rest;
}

/** A length and UTF-8 bytes. Half of a surrogate pair becomes U+FFFD, as everywhere in Node. */
export function writeText(writer: Writer, text: string): void {
  const { length } = text;
  // A character is up to three bytes, two of them are up to four. Most texts are ASCII: then the length need not be asked for.
  reserve(writer, 3 * length + 8);
  const start = writer.position;
  writeVarint(writer, length);
  let bytes = writer.bytes.write(text, writer.position, 3 * length, "utf8");
  if (bytes !== length) {
    writer.position = start;
    writeVarint(writer, bytes);
    bytes = writer.bytes.write(text, writer.position, bytes, "utf8");
  }
  writer.position += bytes;
}

const viewOf = (bytes: Buffer): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
