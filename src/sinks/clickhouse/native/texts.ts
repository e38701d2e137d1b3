import type { Cells, OnFault } from "./cells.ts";
import { reserve, type Writer, writeText } from "./writer.ts";

/** Below this length a loop over ASCII is faster than a call out of JavaScript; also the length fits one byte. */
const shortLength = 40;

/** Text: a length and UTF-8 bytes each. Half of a surrogate pair becomes U+FFFD. */
export function writeTexts(writer: Writer, cells: Cells, onFault: OnFault): void {
  for (let i = 0; i < cells.length; i++) {
    reserve(writer, (cells.length - i) * (shortLength + 1));
    i = writeShortAscii(writer, cells, i);
    if (i === cells.length) return;
    const cell = cells[i];
    const text = typeof cell === "string" ? cell : "";
    if (text !== cell) onFault(i);
    writeText(writer, text);
  }
}

/**
 * Writes short texts from number `from` on, for which there is room, up to the first one that is long, no text, or holds a character
 * beyond ASCII. Returns the number of that one.
 */
function writeShortAscii(writer: Writer, cells: Cells, from: number): number {
  const { bytes } = writer;
  let start = writer.position;
  let i = from;
  for (; i < cells.length; i++) {
    const text = cells[i];
    if (typeof text !== "string" || text.length > shortLength) break;
    const { length } = text;
    let codes = 0;
    bytes[start] = length;
    for (let k = 0; k < length; k++) {
      const code = text.charCodeAt(k);
      codes |= code;
      bytes[start + 1 + k] = code;
    }
    if (codes > 127) break;
    start += length + 1;
  }
  writer.position = start;
  return i;
}

const notHex = 255;
const hexValues = new Uint8Array(128).fill(notHex);
for (let i = 0; i < 16; i++) {
  hexValues["0123456789abcdef".charCodeAt(i)] = i;
  hexValues["0123456789ABCDEF".charCodeAt(i)] = i;
}
/** Where the 16 bytes of a UUID stand in its text, in the order in which ClickHouse keeps them: two little-endian words. */
const uuidPlaces = new Uint8Array([16, 14, 11, 9, 6, 4, 2, 0, 34, 32, 30, 28, 26, 24, 21, 19]);
const hyphen = 45;

/** UUIDs, 16 bytes each. */
export function writeUuids(writer: Writer, cells: Cells, onFault: OnFault): void {
  reserve(writer, cells.length * 16);
  const { bytes } = writer;
  let at = writer.position;
  for (let i = 0; i < cells.length; i++) {
    const text = cells[i];
    if (typeof text !== "string" || !writeUuid(bytes, at, text)) onFault(i);
    at += 16;
  }
  writer.position = at;
}

function writeUuid(bytes: Buffer, at: number, text: string): boolean {
  if (text.length !== 36) return false;
  // Bits over 127 in `codes` mean a character beyond ASCII, whose low bits could look like a digit.
  let codes = 0;
  let digits = 0;
  for (let k = 0; k < 16; k++) {
    const place = uuidPlaces[k] as number;
    const first = text.charCodeAt(place);
    const second = text.charCodeAt(place + 1);
    codes |= first | second;
    const high = hexValues[first & 127] as number;
    const low = hexValues[second & 127] as number;
    digits |= high | low;
    bytes[at + k] = (high << 4) | low;
  }
  return (
    codes < 128 &&
    digits < 16 &&
    text.charCodeAt(8) === hyphen &&
    text.charCodeAt(13) === hyphen &&
    text.charCodeAt(18) === hyphen &&
    text.charCodeAt(23) === hyphen
  );
}
