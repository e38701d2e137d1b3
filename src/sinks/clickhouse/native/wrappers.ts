import type { WriteCells } from "./cells.ts";
import { setInt64 } from "./numbers.ts";
import { reserve } from "./writer.ts";

/** Cells that may be null. `zero`: what stands under a null. */
export function writeNullables(write: WriteCells, zero: unknown): WriteCells {
  return (writer, cells, onFault) => {
    reserve(writer, cells.length);
    const { bytes } = writer;
    let filled: unknown[] | undefined;
    let at = writer.position;
    for (let i = 0; i < cells.length; i++) {
      const isNull = cells[i] === null;
      bytes[at++] = isNull ? 1 : 0;
      if (isNull) {
        filled ??= cells.slice();
        filled[i] = zero;
      }
    }
    writer.position = at;
    write(writer, filled ?? cells, onFault);
  };
}

/** Arrays of the elements that `writeElements` writes. */
export function writeArrays(writeElements: WriteCells): WriteCells {
  return (writer, cells, onFault) => {
    const elements: unknown[] = [];
    const owners: number[] = [];
    reserve(writer, cells.length * 8);
    for (let i = 0; i < cells.length; i++) {
      const array = cells[i];
      if (Array.isArray(array)) {
        for (const element of array) {
          elements.push(element);
          owners.push(i);
        }
      } else {
        onFault(i);
      }
      setInt64(writer.view, writer.position, elements.length);
      writer.position += 8;
    }
    writeElements(writer, elements, (element) => onFault(owners[element] as number));
  };
}
