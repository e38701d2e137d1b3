import type { Writer } from "./writer.ts";

/** Cells of one column, gathered from the rows. Where a value is left out, its fallback stands. */
export type Cells = readonly unknown[];

/** Told of each cell that does not fit. What the encoder wrote in its place is thrown away with the whole block. */
export type OnFault = (index: number) => void;

/** Writes the cells of one column, as its layout says. */
export type WriteCells = (writer: Writer, cells: Cells, onFault: OnFault) => void;
