/**
 * Formats whose text of two blocks is the text of the first followed by the text of the second, with the number of
 * header lines that the engine repeats at each block and that have to be cut from all but the first.
 */
const streamable: Readonly<Record<string, number>> = {
  JSONEachRow: 0,
  JSONLines: 0,
  NDJSON: 0,
  JSONStringsEachRow: 0,
  JSONCompactEachRow: 0,
  JSONCompactEachRowWithNames: 1,
  JSONCompactEachRowWithNamesAndTypes: 2,
  JSONCompactStringsEachRow: 0,
  JSONCompactStringsEachRowWithNames: 1,
  JSONCompactStringsEachRowWithNamesAndTypes: 2,
  TabSeparated: 0,
  TSV: 0,
  TabSeparatedRaw: 0,
  TSVRaw: 0,
  Raw: 0,
  TabSeparatedWithNames: 1,
  TSVWithNames: 1,
  TabSeparatedWithNamesAndTypes: 2,
  TSVWithNamesAndTypes: 2,
  CSV: 0,
  RowBinary: 0,
  Native: 0,
  LineAsString: 0,
  Null: 0,
};

/** Header lines to cut from later blocks, or undefined when a result of this format must be made in one piece. */
export function repeatedHeaderLines(format: string): number | undefined {
  return Object.hasOwn(streamable, format) ? streamable[format] : undefined;
}

/** Cuts the first lines of a block. */
export function withoutLines(block: Buffer, lines: number): Buffer {
  let at = 0;
  for (let line = 0; line < lines; line += 1) {
    const end = block.indexOf(0x0a, at);
    if (end < 0) return Buffer.alloc(0);
    at = end + 1;
  }
  return at === 0 ? block : block.subarray(at);
}

/** The media type that the server gives to a format. */
export function mediaTypeOf(format: string): string {
  if (/^(JSON.*EachRow|JSONLines|NDJSON)/.test(format)) return "application/x-ndjson; charset=UTF-8";
  if (format.startsWith("JSON")) return "application/json; charset=UTF-8";
  if (format.startsWith("CSV")) return `text/csv; charset=UTF-8; header=${format === "CSV" ? "absent" : "present"}`;
  if (/^(TabSeparated|TSV)/.test(format)) return "text/tab-separated-values; charset=UTF-8";
  if (/^(Native|RowBinary|Parquet|Arrow|ORC|Avro|MsgPack|BSON|Npy)/.test(format)) return "application/octet-stream";
  if (format === "XML") return "application/xml; charset=UTF-8";
  return "text/plain; charset=UTF-8";
}
