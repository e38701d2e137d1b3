import type { AggregatePlan } from "../../plan/table.ts";
import { type Catalog, plainEngine, plainKey } from "./catalog.ts";
import {
  createFeed,
  createStates,
  feedComment,
  feedName,
  feedSelect,
  mergedView,
  stateColumns,
  stateDefinition,
  statesComment,
  statesName,
} from "./ddl-aggregate.ts";
import { planColumns, planView, refused } from "./migrate-table.ts";
import type { MigrationStep } from "./migration-step.ts";
import { quoteName, quoteText } from "./quote.ts";

/**
 * What an aggregate needs. The order is what makes it safe to be stopped anywhere: states, feed, backfill, and last the view that people
 * read. So the view is up to date only when the states are filled, and as long as it is not, the backfill is done again.
 */
export function planAggregate(aggregate: AggregatePlan, catalog: Catalog): readonly MigrationStep[] {
  const steps = [...planStates(aggregate, catalog), ...planFeed(aggregate, catalog)];
  const view = planView(mergedView(aggregate), catalog);
  if (view.length > 0) {
    const summary = `fill the aggregate ${aggregate.name} from the rows of ${aggregate.from.name}`;
    steps.push({ kind: "backfill", object: statesName(aggregate), summary, aggregate });
  }
  return [...steps, ...view];
}

function planStates(aggregate: AggregatePlan, catalog: Catalog): readonly MigrationStep[] {
  const name = statesName(aggregate);
  const there = catalog.get(name);
  if (there === undefined)
    return [{ kind: "create", object: name, summary: `create the states of ${aggregate.name}`, sql: createStates(aggregate) }];

  const anew = `Give the aggregate a new name, and drop ${feedName(aggregate)}, ${aggregate.name} and ${name} yourself when nobody reads them any more.`;
  if (plainEngine(there.engine) !== "AggregatingMergeTree")
    return [refused(name, `${name} is a ${there.engine} there, not a table of states`, anew)];
  if (there.comment !== statesComment(aggregate)) {
    return [refused(name, `${name} holds '${there.comment}', and is defined as '${statesComment(aggregate)}'`, anew)];
  }
  if (plainKey(there.sortingKey) !== plainKey(aggregate.groupBy.join())) {
    return [
      refused(name, `${name} has states by (${there.sortingKey}), and is defined with (${aggregate.groupBy.join(", ")})`, anew),
    ];
  }
  return planColumns(
    there,
    stateColumns(aggregate).map((column) => ({ ...column, definition: stateDefinition(column) })),
  );
}

function planFeed(aggregate: AggregatePlan, catalog: Catalog): readonly MigrationStep[] {
  const name = feedName(aggregate);
  const there = catalog.get(name);
  if (there === undefined)
    return [{ kind: "create", object: name, summary: `create the feed of ${aggregate.name}`, sql: createFeed(aggregate) }];
  if (there.engine !== "MaterializedView")
    return [refused(name, `${name} is a ${there.engine} there, not the feed of ${aggregate.name}`, "Rename the aggregate.")];
  if (there.comment === feedComment(aggregate)) return [];
  // Modified in place: between a drop and a create, inserts would go by unseen.
  const alter = `ALTER TABLE ${quoteName(name)}`;
  return [
    {
      kind: "replace",
      object: name,
      summary: `replace the feed of ${aggregate.name}`,
      sql: `${alter} MODIFY QUERY ${feedSelect(aggregate)}`,
    },
    {
      kind: "alter",
      object: name,
      summary: `mark the feed of ${aggregate.name}`,
      sql: `${alter} MODIFY COMMENT ${quoteText(feedComment(aggregate))}`,
    },
  ];
}
