import { ConfigError, messageOf, RetryableError, TerminalError } from "../core/errors.ts";
import { exitCodes, printJson, printTable } from "./output.ts";
import { openClickHouse, type ServiceLocation } from "./services.ts";

/** `headrace sql`: rows of ClickHouse, one JSON object a line, or a table for people. */
export async function sqlVerb(
  statement: string,
  { json, ...where }: ServiceLocation & { readonly json: boolean },
): Promise<number> {
  const text = statement.trim().replace(/;$/, "");
  if (text === "")
    throw new ConfigError("usage", "the statement is empty", { hint: 'Give it in quotes: headrace sql "SELECT 1".' });
  const clickhouse = await openClickHouse(where);
  try {
    const rows = await clickhouse.queryExact(text);
    if (json) rows.forEach(printJson);
    else printTable(rows);
    return exitCodes.fine;
  } catch (error) {
    throw error instanceof RetryableError ? error : refusal(error);
  } finally {
    await clickhouse.close();
  }
}

/** What is wrong may be the statement of a person as well as a table that is not there. */
const refusal = (error: unknown): ConfigError =>
  // Reasons of refused data are cut down to what can be counted; a person wants ClickHouse's own words.
  new ConfigError("clickhouse.schema", messageOf(error instanceof TerminalError ? error.cause : error), {
    cause: error,
    hint: "Correct the statement: one SELECT, without FORMAT. 'headrace migrate' tells which tables are missing.",
  });
