import type { AggregatePlan, RollupPlan, TablePlan } from "../../plan/table.ts";

/** One change, in the order in which it is to be made. Every one may be repeated. */
export type MigrationStep = CreateDatabase | Statement | Rebuild | Backfill | Recount | Refused;

interface StepBase {
  /** The table or view that it changes. */
  readonly object: string;
  /** What it does, for people. */
  readonly summary: string;
}

export interface CreateDatabase extends StepBase {
  readonly kind: "createDatabase";
  readonly sql: string;
}

export interface Statement extends StepBase {
  readonly kind: "create" | "alter" | "replace";
  readonly sql: string;
}

/** Carries the rows of a table over into one of the same name whose rows have a version. */
export interface Rebuild extends StepBase {
  readonly kind: "rebuild";
  readonly table: TablePlan;
}

/** Fills an aggregate from the rows that are there already. */
export interface Backfill extends StepBase {
  readonly kind: "backfill";
  readonly aggregate: AggregatePlan;
}

/** Counts every bucket of a rollup from the rows that are there. */
export interface Recount extends StepBase {
  readonly kind: "recount";
  readonly rollup: RollupPlan;
}

/** A change that would lose data or cannot be made; `hint` says what a person can do. Nothing is applied while there is one. */
export interface Refused extends StepBase {
  readonly kind: "refused";
  readonly hint: string;
}
