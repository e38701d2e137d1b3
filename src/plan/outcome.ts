/** What becomes of an event at the end of its pipeline. `Sent` names a destination of the route. */
export type Outcome = Sent | Dropped | DeadLettered;

/** An event that goes to a destination. */
export interface Sent {
  readonly kind: "sent";
  /** The destination, by its name in the route. */
  readonly to: string;
  /** What is sent there. */
  readonly row: unknown;
}

/** An event that ends here, on purpose. */
export interface Dropped {
  readonly kind: "dropped";
  /** A short word that it is counted under. */
  readonly reason: string;
}

/** An event that is set aside for a person. */
export interface DeadLettered {
  readonly kind: "deadLettered";
  /** A short word that it is counted under. */
  readonly reason: string;
}

/** One outcome, or several for an event that goes to more than one destination. */
export type Decision = Outcome | readonly Outcome[];
