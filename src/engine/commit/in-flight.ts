import { InFlightLimit } from "../../core/in-flight-limit.ts";

export interface InFlightLimits {
  readonly events: number;
  /** Of the entries that they came in, inflated. */
  readonly bytes: number;
}

/** Memory that a read takes beside its entries until it is committed, bytes, roughly. It matters where there are many small reads. */
const readOverheadBytes = 8 * 1024;

/** What a process has read and not committed yet, over all partitions. Above its limits nothing more is read: Redis keeps the rest. */
export class InFlight extends InFlightLimit {
  readonly #eventsPerByte: number;

  constructor({ events, bytes }: InFlightLimits) {
    super(events);
    this.#eventsPerByte = events / bytes;
  }

  /** How many events a read counts as: more than it holds where they are large, so that the limit in bytes is kept too. */
  weigh({ size, bytes }: { readonly size: number; readonly bytes: number }): number {
    return Math.max(size, Math.ceil((bytes + readOverheadBytes) * this.#eventsPerByte));
  }
}
