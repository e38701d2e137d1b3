import { seconds } from "../../core/duration.ts";
import type { Location } from "../../plan/archive.ts";
import { fileTable } from "./archive-sql.ts";
import type { ClickHouse } from "./client.ts";
import { quoteText } from "./quote.ts";

const call = (what: string) => ({ timeoutMs: seconds(60), what });

/** Small texts in a store that only ClickHouse reaches. An empty text counts as none: there is no statement that deletes an object. */
export const createArchiveTexts = (client: ClickHouse) => ({
  write: (location: Location, text: string): Promise<void> =>
    client.run(
      `INSERT INTO FUNCTION ${fileTable(location, "RawBLOB", "body String")} SELECT ${quoteText(text)} SETTINGS s3_truncate_on_insert = 1`,
      call("writing to the archive"),
    ),

  /** Whatever a pattern of paths finds. */
  read: async (pattern: Location): Promise<readonly { readonly path: string; readonly text: string }[]> => {
    const rows = await client.query<{ path: string; text: string }>(
      `SELECT _path AS path, body AS text FROM ${fileTable(pattern, "RawBLOB", "body String")} ORDER BY path`,
      call("reading the archive"),
    );
    return rows.filter(({ text }) => text !== "");
  },

  /** The paths of a pattern whose files hold something. */
  paths: async (pattern: Location): Promise<readonly string[]> => {
    const rows = await client.query<{ path: string }>(
      `SELECT DISTINCT _path AS path FROM ${fileTable(pattern, "One")} WHERE _size > 0 ORDER BY path`,
      call("listing the archive"),
    );
    return rows.map(({ path }) => path);
  },
});
