import type { Cells, OnFault } from "./cells.ts";
import { reserve, type Writer } from "./writer.ts";

const word = 4_294_967_296;

/** Whole numbers of 8, 16 or 32 bits. */
export function writeIntegers(
  writer: Writer,
  cells: Cells,
  type: { readonly bits: 8 | 16 | 32; readonly signed: boolean },
  onFault: OnFault,
): void {
  const { bits, signed } = type;
  const min = signed ? -(2 ** (bits - 1)) : 0;
  const max = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
  reserve(writer, (cells.length * bits) / 8);
  const { view } = writer;
  let at = writer.position;
  for (let i = 0; i < cells.length; i++) {
    const value = cells[i];
    let number = 0;
    if (typeof value === "number" && value >= min && value <= max && Math.floor(value) === value) number = value;
    else onFault(i);
    // Negative numbers wrap to two's complement in the unsigned setters.
    if (bits === 32) view.setUint32(at, number, true);
    else if (bits === 16) view.setUint16(at, number, true);
    else view.setUint8(at, number);
    at += bits / 8;
  }
  writer.position = at;
}

/** Whole numbers of 64 bits: safe integers or bigints. */
export function writeLongs(writer: Writer, cells: Cells, signed: boolean, onFault: OnFault): void {
  reserve(writer, cells.length * 8);
  const { view } = writer;
  const min = signed ? Number.MIN_SAFE_INTEGER : 0;
  let at = writer.position;
  for (let i = 0; i < cells.length; i++) {
    const value = cells[i];
    if (typeof value === "number" && value >= min && Number.isSafeInteger(value)) {
      setInt64(view, at, value);
    } else if (typeof value === "bigint" && (signed ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value)) === value) {
      view.setBigUint64(at, BigInt.asUintN(64, value), true);
    } else {
      onFault(i);
      setInt64(view, at, 0);
    }
    at += 8;
  }
  writer.position = at;
}

/** A safe integer as 64 bits in two's complement. */
export function setInt64(view: DataView, at: number, value: number): void {
  const high = Math.floor(value / word);
  view.setUint32(at, value - high * word, true);
  view.setUint32(at + 4, high, true);
}

/** Finite numbers of 32 or 64 bits. */
export function writeFloats(writer: Writer, cells: Cells, bits: 32 | 64, onFault: OnFault): void {
  reserve(writer, (cells.length * bits) / 8);
  const { view } = writer;
  let at = writer.position;
  for (let i = 0; i < cells.length; i++) {
    const value = cells[i];
    let number = 0;
    if (typeof value === "number" && Number.isFinite(bits === 32 ? Math.fround(value) : value)) number = value;
    else onFault(i);
    if (bits === 32) view.setFloat32(at, number, true);
    else view.setFloat64(at, number, true);
    at += bits / 8;
  }
  writer.position = at;
}

/** Booleans, a byte each. */
export function writeBooleans(writer: Writer, cells: Cells, onFault: OnFault): void {
  reserve(writer, cells.length);
  const { bytes } = writer;
  let at = writer.position;
  for (let i = 0; i < cells.length; i++) {
    const value = cells[i];
    if (typeof value !== "boolean") onFault(i);
    bytes[at++] = value === true ? 1 : 0;
  }
  writer.position = at;
}

/** Names of an enum, as their numbers. */
export function writeEnums(
  writer: Writer,
  cells: Cells,
  { numbers, bits }: { readonly numbers: ReadonlyMap<unknown, number>; readonly bits: 8 | 16 },
  onFault: OnFault,
): void {
  reserve(writer, (cells.length * bits) / 8);
  const { view } = writer;
  let at = writer.position;
  for (let i = 0; i < cells.length; i++) {
    const number = numbers.get(cells[i]);
    if (number === undefined) onFault(i);
    if (bits === 16) view.setUint16(at, number ?? 0, true);
    else view.setUint8(at, number ?? 0);
    at += bits / 8;
  }
  writer.position = at;
}
