import type { Connection } from "@temporalio/client";
import { ConfigError } from "../../core/errors.ts";
import type { SearchAttributes, SearchAttributeType } from "../../core/search-attributes.ts";

/** Temporal's numbers of the types (IndexedValueType). */
const typeNumbers: Readonly<Record<SearchAttributeType, number>> = {
  Text: 1,
  Keyword: 2,
  Int: 3,
  Double: 4,
  Bool: 5,
  Datetime: 6,
  KeywordList: 7,
};

type Services = Pick<Connection, "operatorService">;

/**
 * Those that a namespace does not have.
 * @throws ConfigError `temporal.refused` where it has one with another type, which cannot be changed
 */
export async function missingAttributes(
  { operatorService }: Services,
  { namespace, wanted }: { readonly namespace: string; readonly wanted: SearchAttributes },
): Promise<SearchAttributes> {
  const { customAttributes = {} } = await operatorService.listSearchAttributes({ namespace });
  for (const [name, type] of Object.entries(wanted)) {
    const there = customAttributes?.[name];
    if (there == null || Number(there) === typeNumbers[type]) continue;
    throw new ConfigError(
      "temporal.refused",
      `the namespace '${namespace}' has a search attribute '${name}' that is no ${type}`,
      {
        hint: "Use another namespace, or remove it with 'temporal operator search-attribute remove'.",
      },
    );
  }
  return Object.fromEntries(Object.entries(wanted).filter(([name]) => customAttributes?.[name] == null));
}

/** Registers search attributes; those that are there already stay as they are. */
export async function addAttributes(
  { operatorService }: Services,
  { namespace, wanted }: { readonly namespace: string; readonly wanted: SearchAttributes },
): Promise<void> {
  if (Object.keys(wanted).length === 0) return;
  const searchAttributes = Object.fromEntries(Object.entries(wanted).map(([name, type]) => [name, typeNumbers[type]]));
  await operatorService.addSearchAttributes({ namespace, searchAttributes });
}
