/** What becomes of an event at the end of its pipeline. `Sent` names a destination of the route. */
export type Outcome = Sent | Dropped | DeadLettered;

export interface Sent {
  readonly kind: "sent";
  readonly to: string;
  readonly row: unknown;
}

export interface Dropped {
  readonly kind: "dropped";
  readonly reason: string;
}

export interface DeadLettered {
  readonly kind: "deadLettered";
  readonly reason: string;
}

/** One outcome, or several for an event that goes to more than one destination. */
export type Decision = Outcome | readonly Outcome[];
