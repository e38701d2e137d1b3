import { dateLimits } from "../../../plan/value-faults.ts";
import type { Cells, OnFault } from "./cells.ts";
import { setInt64 } from "./numbers.ts";
import { reserve, type Writer } from "./writer.ts";

const word = 4_294_967_296;
const dayMs = 86_400_000;

/** Milliseconds since the epoch, or NaN for what is no Date within the limits. */
function msOf(value: unknown, limits: { readonly min: number; readonly max: number }): number {
  if (!(value instanceof Date)) return Number.NaN;
  const ms = value.getTime();
  return ms >= limits.min && ms <= limits.max ? ms : Number.NaN;
}

/** Days since the epoch, 16 bits. */
export function writeDates(writer: Writer, cells: Cells, onFault: OnFault): void {
  reserve(writer, cells.length * 2);
  const { view } = writer;
  let at = writer.position;
  for (let i = 0; i < cells.length; i++) {
    const ms = msOf(cells[i], dateLimits.date);
    if (Number.isNaN(ms)) onFault(i);
    view.setUint16(at, Math.floor(ms / dayMs), true);
    at += 2;
  }
  writer.position = at;
}

/** Seconds since the epoch, 32 bits. */
export function writeDateTimes(writer: Writer, cells: Cells, onFault: OnFault): void {
  reserve(writer, cells.length * 4);
  const { view } = writer;
  let at = writer.position;
  for (let i = 0; i < cells.length; i++) {
    const ms = msOf(cells[i], dateLimits.dateTime);
    if (Number.isNaN(ms)) onFault(i);
    view.setUint32(at, Math.floor(ms / 1000), true);
    at += 4;
  }
  writer.position = at;
}

/** Ticks of 10^-precision seconds since the epoch, 64 bits. */
export function writeDateTime64s(writer: Writer, cells: Cells, precision: number, onFault: OnFault): void {
  reserve(writer, cells.length * 8);
  const { view } = writer;
  const limits = precision === 9 ? dateLimits.dateTime64Nanos : dateLimits.dateTime64;
  const divisor = 10 ** Math.max(0, 3 - precision);
  const factor = 10 ** Math.max(0, precision - 3);
  let at = writer.position;
  for (let i = 0; i < cells.length; i++) {
    let ms = msOf(cells[i], limits);
    if (Number.isNaN(ms)) {
      onFault(i);
      ms = 0;
    }
    if (factor === 1) {
      setInt64(view, at, divisor === 1 ? ms : Math.floor(ms / divisor));
    } else {
      // Microseconds after 2255 and all nanoseconds are beyond 2^53: multiply the two words by themselves, which stays exact.
      const high = Math.floor(ms / word);
      const low = (ms - high * word) * factor;
      const carry = Math.floor(low / word);
      view.setUint32(at, low - carry * word, true);
      view.setUint32(at + 4, high * factor + carry, true);
    }
    at += 8;
  }
  writer.position = at;
}
