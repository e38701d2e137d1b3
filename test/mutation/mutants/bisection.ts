import type { Check, Mutant } from "../mutant.ts";

const insert = "src/sinks/clickhouse/insert.ts";
const inPieces: Check = { kind: "tests", files: ["test/unit/sinks/clickhouse/insert.test.ts"] };
const onTables: Check = { kind: "tests", files: ["test/services/clickhouse-sink.test.ts"] };
const inBatches: Check = { kind: "tests", files: ["test/unit/sinks/batcher.test.ts"] };

/** How a row that ClickHouse refuses is found among its siblings, and how rows find their way into batches. */
export const bisection: readonly Mutant[] = [
  {
    name: "bisection-drops-the-second-half",
    breaks: "siblings of a refused row are lost",
    file: insert,
    find: "await insertRows(block, middle, to);",
    replace: "",
    by: inPieces,
  },
  {
    name: "bisection-blames-all",
    breaks: "thousands of good rows become dead letters with one bad row",
    file: insert,
    find: "if (to - from === 1) {",
    replace: "if (to - from >= 1) {",
    by: inPieces,
  },
  {
    name: "bisection-blames-the-neighbour",
    breaks: "the dead letter is of another event than the one that was refused",
    file: insert,
    find: "row: block.base + indexIn(block.indexes, from), reason",
    replace: "row: block.base + indexIn(block.indexes, from) + 1, reason",
    by: inPieces,
  },
  {
    name: "bisection-halves-blocks-once",
    breaks: "rows of the second half of a batch's blocks are lost behind a refused row",
    file: insert,
    find: "await insertBlocks(blocks.slice(middle));",
    replace: "",
    by: inPieces,
  },
  {
    name: "bisection-without-a-look-at-the-table",
    breaks: "a table of another type makes a dead letter of every event, instead of stopping the writer",
    file: insert,
    find: "verified ??= deps.verify();",
    replace: "verified ??= Promise.resolve();",
    by: onTables,
  },
  {
    name: "insert-over-too-many-partitions",
    breaks: "a batch of many days is refused by ClickHouse (code 252)",
    file: insert,
    find: "if (last && union.size <= maxPartitionsPerInsert) {",
    replace: "if (last) {",
    by: inPieces,
  },
  {
    name: "insert-by-writer-and-not-by-range",
    breaks: "logins of a year that come shuffled are written in thousands of tiny parts, and land at 60 a second",
    file: insert,
    find: "getOrMake(ranges, block.range,",
    replace: "getOrMake(ranges, ranges.size,",
    by: inPieces,
  },
  {
    name: "batch-settled-early",
    breaks: "a write counts as confirmed while a part of it is still to be inserted",
    file: "src/sinks/batcher.ts",
    find: "write.unsettled -= count;",
    replace: "write.unsettled = 0;",
    by: inBatches,
  },
  {
    name: "batch-failure-hits-all",
    breaks: "one failed insert fails writes that were not in it",
    file: "src/sinks/batcher.ts",
    find: "if (!failed.has(piece.write)) queue.push(piece);",
    replace: "if (failed.has(piece.write)) queue.push(piece);",
    by: inBatches,
  },
  {
    name: "refused-row-behind-a-wrong-piece",
    breaks: "where rows of several writes share an insert, the dead letter is of another write",
    file: insert,
    find: "rejected.push({ row: base + rowIndex,",
    replace: "rejected.push({ row: rowIndex,",
    by: inPieces,
  },
  {
    name: "partitions-split-too-late",
    breaks: "one write of many days is refused by ClickHouse (code 252)",
    file: "src/sinks/clickhouse/partitions.ts",
    find: "if (ranges.size <= 1) return",
    replace: "if (ranges.size > 0) return",
    by: { kind: "tests", files: ["test/unit/sinks/clickhouse/ddl.test.ts"] },
  },
  {
    name: "insert-gives-up",
    breaks: "rows are lost when ClickHouse is away",
    file: "src/sinks/retrying.ts",
    find: "{ ...plan, clock,",
    replace: "{ ...plan, attempts: 0, clock,",
    by: { kind: "tests", files: ["test/services/clickhouse-sink.test.ts"], names: "keeps it away" },
  },
];
