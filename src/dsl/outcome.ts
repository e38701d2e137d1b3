import type { DeadLettered, Decision, Dropped, Sent } from "../plan/plan.ts";
import type { RowFor, RowLike, TypeHint } from "./hints.ts";
import type { SinkRef } from "./sinks.ts";

/**
 * Ends an event on purpose, with a reason that the ledger counts.
 *
 * @example
 * ```ts
 * pipeline("no-logins")
 *   .from(logins)
 *   .route({ table: clickhouse(loginEvents) }, (event) => drop(`${event.type} is not counted`));
 * ```
 */
export const drop = (reason: string): Dropped => ({ kind: "dropped", reason });

/**
 * Sets an event aside for a person to look at: `headrace dlq` shows it with its reason.
 *
 * @example
 * ```ts
 * pipeline("odd-logins")
 *   .from(logins)
 *   .route({ table: clickhouse(loginEvents) }, (event) => deadLetter(`no rule for ${event.type}`));
 * ```
 */
export const deadLetter = (reason: string): DeadLettered => ({ kind: "deadLettered", reason });

/** The functions by which a route sends: one a destination, taking that destination's row. */
export type SendTo<Destinations> = {
  readonly [Name in keyof Destinations]: Destinations[Name] extends SinkRef<infer Row>
    ? <R extends RowLike<Row>>(row: R & RowFor<Row, R>) => Sent
    : never;
};

/** Refuses a decision that may end without an outcome, with a sentence. */
export type MustDecide<Result> = [Result] extends [Decision]
  ? unknown
  : TypeHint<"Every path of a route returns an outcome: to.<destination>(row), drop(why) or deadLetter(why)">;
