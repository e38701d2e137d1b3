import type { TablePlan } from "../../plan/table.ts";
import { type Catalog, type Existing, plainEngine, plainKey } from "./catalog.ts";
import {
  columnDefinition,
  createTable,
  createView,
  partitionKey,
  replacedBy,
  ttlExpression,
  versionOf,
  viewComment,
  type WantedView,
} from "./ddl.ts";
import type { MigrationStep, Refused } from "./migration-step.ts";
import { quoteName } from "./quote.ts";
import { asideName } from "./rebuild.ts";
import { columnType, isLongerEnum } from "./types.ts";

/** What a table that pipelines write needs. `isRead`: aggregates or rollups are fed by its inserts. */
export function planTable(table: TablePlan, catalog: Catalog, isRead = false): readonly MigrationStep[] {
  const { name } = table;
  const there = catalog.get(name);
  if (there === undefined)
    return [{ kind: "create", object: name, summary: `create the table ${name}`, sql: createTable(table) }];

  const engine = table.engine.kind === "mergeTree" ? "MergeTree" : "ReplacingMergeTree";
  if (plainEngine(there.engine) !== engine) {
    return [refused(name, `${name} is a ${there.engine} there, and is defined as ${engine}`, rebuild(name))];
  }
  const steps: MigrationStep[] = [];
  const sortingKey = table.orderBy.join(", ");
  if (plainKey(there.sortingKey) !== plainKey(sortingKey)) {
    steps.push(
      refused(name, `${name} is sorted by (${there.sortingKey}) there, and is defined with (${sortingKey})`, rebuild(name)),
    );
  }
  if (plainKey(there.partitionKey) !== plainKey(partitionKey(table))) {
    const [has, wants] = [there.partitionKey || "nothing", plainKey(partitionKey(table)) || "nothing"];
    steps.push(refused(name, `${name} is partitioned by ${has} there, and is defined with ${wants}`, rebuild(name)));
  }
  const [has, wants] = [versionOf(there), replacedBy(table.engine).join(", ")];
  const isReplicated = there.engine.startsWith("Replicated");
  if ((has === "" && wants !== "" && !isRead && !isReplicated) || catalog.has(asideName(table))) {
    const summary = `give the rows of ${name} the version ${wants}: they are carried over into a table of the same name`;
    steps.push({ kind: "rebuild", object: name, summary, table });
  } else if (has !== wants) {
    steps.push(
      refused(name, `${name} has the version ${has || "none"} there, and is defined with ${wants || "none"}`, rebuild(name)),
    );
  }
  const wanted = table.columns.map((column) => ({
    name: column.name,
    type: columnType(column),
    comment: undefined,
    codec: column.codec,
    definition: columnDefinition(column),
  }));
  return [...steps, ...planColumns(there, wanted), ...planTtl(table, there)];
}

/** What a plain view needs. */
export function planView(view: WantedView, catalog: Catalog): readonly MigrationStep[] {
  const { name } = view;
  const there = catalog.get(name);
  if (there === undefined)
    return [{ kind: "create", object: name, summary: `create the view ${name}`, sql: createView(view, { replace: false }) }];
  if (there.engine !== "View") {
    // Replacing would turn the table into a view without a word, and its rows would be gone.
    return [
      refused(
        name,
        `${name} is a ${there.engine} there, and is defined as a view`,
        `Rename the view, or move the table away: RENAME TABLE ${name} TO ${name}_old.`,
      ),
    ];
  }
  if (there.comment === viewComment(view)) return [];
  return [{ kind: "replace", object: name, summary: `replace the view ${name}`, sql: createView(view, { replace: true }) }];
}

export interface WantedColumn {
  readonly name: string;
  readonly type: string;
  /** Compared too where it is given. */
  readonly comment: string | undefined;
  /** Nothing is said of it where it is not given. */
  readonly codec?: string | undefined;
  readonly definition: string;
}

/** Adds columns, and names to enums, and compresses otherwise; refuses to change or drop any. Defaults stay as they were created. */
export function planColumns(there: Existing, wanted: readonly WantedColumn[]): readonly MigrationStep[] {
  const table = there.name;
  const steps: MigrationStep[] = [];
  for (const { name, type, comment, codec, definition } of wanted) {
    const has = there.columns.find((column) => column.name === name);
    if (has === undefined) {
      const sql = `ALTER TABLE ${quoteName(table)} ADD COLUMN IF NOT EXISTS ${definition}`;
      steps.push({ kind: "alter", object: table, summary: `add the column ${table}.${name}`, sql });
    } else if (has.type !== type) {
      if (isLongerEnum(has.type, type) && !(isWider(has.type, type) && isKey(there, name))) {
        const sql = `ALTER TABLE ${quoteName(table)} MODIFY COLUMN ${quoteName(name)} ${type}`;
        steps.push({ kind: "alter", object: table, summary: `add names to the enum ${table}.${name}`, sql });
      } else {
        steps.push(
          refused(
            table,
            `${table}.${name} is ${has.type} there, and is defined as ${type}`,
            `Give the column a new name; or, when every value fits, run ALTER TABLE ${table} MODIFY COLUMN ${name} ${type} yourself.`,
          ),
        );
      }
    } else if (comment !== undefined && has.comment !== comment) {
      steps.push(
        refused(
          table,
          `${table}.${name} holds states of ${has.comment || "something else"}, and is defined as ${comment}`,
          "Give the column a new name.",
        ),
      );
    } else if (codec !== undefined && !isSameCodec(has.codec, codec)) {
      const sql = `ALTER TABLE ${quoteName(table)} MODIFY COLUMN ${quoteName(name)} CODEC(${codec})`;
      const summary = `compress ${table}.${name} with ${codec}: what is there, when it is merged`;
      steps.push({ kind: "alter", object: table, summary, sql });
    }
  }
  for (const { name } of there.columns) {
    if (wanted.some((column) => column.name === name)) continue;
    steps.push(
      refused(
        table,
        `${table}.${name} is there and not defined; dropping it would lose its values`,
        `Put the column back into the definition, or run ALTER TABLE ${table} DROP COLUMN ${name} yourself.`,
      ),
    );
  }
  return steps;
}

/** Whether an enum takes two bytes where it took one. What a table is sorted or partitioned by cannot become so in place. */
const isWider = (has: string, wanted: string): boolean => has.includes("Enum8") && wanted.includes("Enum16");

const isKey = ({ sortingKey, partitionKey }: Existing, name: string): boolean =>
  `${sortingKey},${partitionKey}`.split(/[^\w$]+/).includes(name);

/** `CODEC(Delta(8), ZSTD(1))` is what becomes of `Delta, ZSTD`. */
function isSameCodec(there: string, wanted: string): boolean {
  const parts = (text: string) => text.replace(/\s/g, "").split(/,(?![^(]*\))/);
  const [has, wants] = [parts(there.replace(/^CODEC\((.*)\)$/, "$1")), parts(wanted)];
  return (
    has.length === wants.length &&
    has.every((part, i) => part === wants[i] || (!wants[i]?.includes("(") && part.startsWith(`${wants[i]}(`)))
  );
}

export const refused = (object: string, summary: string, hint: string): Refused => ({ kind: "refused", object, summary, hint });

const rebuild = (name: string): string =>
  `Define a table with a new name and replay the stream into it; or copy: RENAME TABLE ${name} TO ${name}_old, migrate, INSERT INTO ${name} SELECT … FROM ${name}_old.`;

/** Our TTL as the server prints it, apart from quotes. One of an earlier version has no cap: it deletes at once what lies near 2106 or beyond. */
const ttlThere =
  /\bTTL toDateTime\((?:(\w+)|least\(toDateTime64\((\w+), 0, 'UTC'\), toDateTime64\('[\d-]+', 0, 'UTC'\)\), 'UTC')\) \+ toIntervalDay\((\d+)\)/;

/** Keeping rows longer is done; deleting rows earlier is for a person to do. */
function planTtl(table: TablePlan, there: Existing): readonly MigrationStep[] {
  const { name, ttl } = table;
  const alter = (summary: string, change: string): readonly MigrationStep[] => [
    { kind: "alter", object: name, summary, sql: `ALTER TABLE ${quoteName(name)} ${change}` },
  ];
  if (ttl === undefined) return /\bTTL\b/.test(there.engineFull) ? alter(`keep the rows of ${name} for ever`, "REMOVE TTL") : [];
  const [, uncapped, capped, days] = ttlThere.exec(there.engineFull.replace(/`/g, "")) ?? [];
  const change = `MODIFY TTL ${ttlExpression(ttl)}`;
  if ((capped ?? uncapped) === ttl.column && Number(days) <= ttl.days) {
    if (Number(days) < ttl.days) return alter(`keep the rows of ${name} for ${ttl.days} days`, change);
    return capped ? [] : alter(`keep the rows of ${name} that lie near 2106 or beyond: its ttl deletes them at once`, change);
  }
  return [
    refused(
      name,
      `rows of ${name} older than ${ttl.days} days by ${ttl.column} would be deleted`,
      `Run it yourself when that is what you want: ALTER TABLE ${name} ${change.replace(/`/g, "")}`,
    ),
  ];
}
