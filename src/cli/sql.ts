import { exitCodes, printJson, printTable } from "./output.ts";
import { openClickHouse, type Whereabouts } from "./services.ts";

/** `headrace sql`: rows of ClickHouse, one JSON object a line, or a table for people. */
export async function sqlVerb(statement: string, { json, ...where }: Whereabouts & { readonly json: boolean }): Promise<number> {
  const clickhouse = openClickHouse(where);
  try {
    const rows = await clickhouse.query<Record<string, unknown>>(statement.trim().replace(/;$/, ""));
    if (json) rows.forEach(printJson);
    else printTable(rows);
    return exitCodes.fine;
  } finally {
    await clickhouse.close();
  }
}
