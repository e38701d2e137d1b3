import { columnFault } from "../../../plan/column-fault.ts";
import { zeroOf } from "../../../plan/column-type.ts";
import type { ColumnPlan, TablePlan } from "../../../plan/table.ts";
import { layoutOf, writerOf } from "../column-kinds.ts";
import { plainType } from "../types.ts";
import type { CellExtent, NativeBlock } from "./block.ts";
import type { WriteCells } from "./cells.ts";
import type { Layout } from "./layout.ts";
import { writeNullables } from "./wrappers.ts";
import { createWriter, type Writer, writeText, writeVarint } from "./writer.ts";

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

/**
 * Makes the encoder of a table: rows in, one Native block out, column by column. Every value is checked on the way.
 * The good case is one pass; when rows are refused, the rest are encoded again without them.
 *
 * LowCardinality columns are sent as the type they hold, and cast by the server: its dictionaries would cost more here.
 */
export function compileEncoder(table: TablePlan): Encoder {
  const columns = table.columns.map((column) => ({ column, type: plainType(column), ...compileColumn(column) }));
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
    const extents: CellExtent[] = [];
    writer.position = 0;
    writeVarint(writer, columns.length);
    writeVarint(writer, rows.length);
    for (const { column, type, layout, write } of columns) {
      writeText(writer, column.name);
      writeText(writer, type);
      const cells = gather(rows, column);
      const from = writer.position;
      write(writer, cells, (rowIndex) => {
        if (faults.has(rowIndex)) return;
        const reason = columnFault(column, cells[rowIndex]) ?? "does not fit its type";
        faults.set(rowIndex, { rowIndex, column: column.name, reason });
      });
      extents.push({ from, to: writer.position, layout });
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

function compileColumn({ type, nullable }: ColumnPlan): { readonly layout: Layout; readonly write: WriteCells } {
  const [layout, write] = [layoutOf(type), writerOf(type)];
  return nullable ? { layout: { kind: "nullable", of: layout }, write: writeNullables(write, zeroOf(type)) } : { layout, write };
}
