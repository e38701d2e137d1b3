import { columnFault } from "../../../plan/column-fault.ts";
import type { ColumnPlan, ColumnType, TablePlan } from "../../../plan/table.ts";
import { plainType } from "../types.ts";
import type { NativeBlock } from "./block.ts";
import type { Cells, OnFault } from "./cells.ts";
import { writeDates, writeDateTime64s, writeDateTimes } from "./dates.ts";
import { setInt64, writeBooleans, writeEnums, writeFloats, writeIntegers, writeLongs } from "./numbers.ts";
import { writeTexts, writeUuids } from "./texts.ts";
import { createWriter, reserve, type Writer, writeText, writeVarint } from "./writer.ts";

/** A row with a value that does not fit its column. Only the first such column is told. */
export interface RowFault {
  readonly rowIndex: number;
  readonly column: string;
  /** A rule, never the value, such as `is not a UUID`. */
  readonly reason: string;
}

/** Without bytes when no row is left. */
export interface EncodedBlock extends NativeBlock {
  /** In the order of the rows. */
  readonly rejected: readonly RowFault[];
  /** For each row of the block, its index among the rows given; `undefined` where all were kept, which is nearly always. */
  readonly kept: readonly number[] | undefined;
}

export type Encoder = (rows: readonly object[]) => EncodedBlock;

type WriteCells = (writer: Writer, cells: Cells, onFault: OnFault) => void;

/**
 * Makes the encoder of a table: rows in, one Native block out, column by column. Every value is checked on the way.
 * The good case is one pass; when rows are refused, the rest are encoded again without them.
 *
 * LowCardinality columns are sent as the type they hold, and cast by the server: its dictionaries would cost more here.
 */
export function compileEncoder(table: TablePlan): Encoder {
  const columns = table.columns.map((column) => ({ column, type: plainType(column), write: compileColumn(column) }));
  const writer = createWriter();

  return (rows) => {
    const { faults, extents } = encode(rows);
    if (faults.size === 0) return { bytes: copyOf(writer), rows: rows.length, columns: extents, rejected: [], kept: undefined };

    const rejected = [...faults.values()].sort((a, b) => a.rowIndex - b.rowIndex);
    const kept = [...rows.keys()].filter((index) => !faults.has(index));
    const left = kept.map((index) => rows[index] as object);
    if (left.length === 0) return { bytes: Buffer.alloc(0), rows: 0, columns: [], rejected, kept };
    const again = encode(left);
    return { bytes: copyOf(writer), rows: left.length, columns: again.extents, rejected, kept };
  };

  function encode(rows: readonly object[]): { readonly faults: Map<number, RowFault>; readonly extents: NativeBlock["columns"] } {
    const faults = new Map<number, RowFault>();
    const extents: { from: number; to: number }[] = [];
    writer.position = 0;
    writeVarint(writer, columns.length);
    writeVarint(writer, rows.length);
    for (const { column, type, write } of columns) {
      writeText(writer, column.name);
      writeText(writer, type);
      const cells = gather(rows, column);
      const from = writer.position;
      write(writer, cells, (rowIndex) => {
        if (faults.has(rowIndex)) return;
        const reason = columnFault(column, cells[rowIndex]) ?? "does not fit its type";
        faults.set(rowIndex, { rowIndex, column: column.name, reason });
      });
      extents.push({ from, to: writer.position });
    }
    return { faults, extents };
  }
}

/** The writer is used again for the next block while this one is still being sent. */
const copyOf = (writer: Writer): Buffer => Buffer.from(writer.bytes.subarray(0, writer.position));

/** The cells of one column; `undefined` has become the fallback, or null where the column may be. */
function gather(rows: readonly object[], column: ColumnPlan): unknown[] {
  const { name } = column;
  const fallback = column.fallback === undefined && column.nullable ? null : column.fallback;
  const cells = new Array<unknown>(rows.length);
  for (let i = 0; i < rows.length; i++) {
    // A row that is no object at all is a row without its columns: refused like any other.
    const value = (rows[i] as Record<string, unknown> | undefined | null)?.[name];
    cells[i] = value === undefined ? fallback : value;
  }
  return cells;
}

function compileColumn(column: ColumnPlan): WriteCells {
  const write = compileType(column.type);
  if (!column.nullable) return write;
  const zero = zeroOf(column.type);
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

function compileType(type: ColumnType): WriteCells {
  switch (type.kind) {
    case "string":
      return writeTexts;
    case "uuid":
      return writeUuids;
    case "bool":
      return writeBooleans;
    case "int": {
      const { bits, signed } = type;
      if (bits === 64) return (writer, cells, onFault) => writeLongs(writer, cells, signed, onFault);
      const narrow = { bits, signed } as const;
      return (writer, cells, onFault) => writeIntegers(writer, cells, narrow, onFault);
    }
    case "float":
      return (writer, cells, onFault) => writeFloats(writer, cells, type.bits, onFault);
    case "date":
      return writeDates;
    case "dateTime":
      return writeDateTimes;
    case "dateTime64":
      return (writer, cells, onFault) => writeDateTime64s(writer, cells, type.precision, onFault);
    case "enum": {
      const numbers = new Map<unknown, number>(type.values.map((value, index) => [value, index + 1]));
      return (writer, cells, onFault) => writeEnums(writer, cells, numbers, onFault);
    }
    case "array":
      return compileArray(compileType(type.of));
    default:
      throw type satisfies never;
  }
}

/** Arrays: where each ends, counted in elements from the start of the block, then all elements as one column. */
function compileArray(writeElements: WriteCells): WriteCells {
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

/** What stands under a null. */
function zeroOf(type: ColumnType): unknown {
  switch (type.kind) {
    case "string":
      return "";
    case "uuid":
      return "00000000-0000-0000-0000-000000000000";
    case "bool":
      return false;
    case "int":
    case "float":
      return 0;
    case "date":
    case "dateTime":
    case "dateTime64":
      return new Date(0);
    case "enum":
      return type.values[0];
    case "array":
      return [];
    default:
      throw type satisfies never;
  }
}
