import { InFlightLimit } from "../../core/in-flight-limit.ts";

export interface InFlightLimits {
  readonly events: number;
  /** Of the entries that they came in, inflated. */
  readonly bytes: number;
}

/** What a read holds beside its entries until it is committed, bytes, roughly: it counts for a process that makes many small ones. */
const readOverheadBytes = 8 * 1024;

/** What a process has read and not committed yet, over all partitions. Above its limits nothing more is read: Redis keeps the rest. */
export class InFlight extends InFlightLimit {
  readonly #eventsPerByte: number;

  constructor({ events, bytes }: InFlightLimits) {
    super(events);
    this.#eventsPerByte = events / bytes;
  }

  /** For how many events a read counts: for more than it holds where these are larger than their share of the bytes. */
  weigh({ size, bytes }: { readonly size: number; readonly bytes: number }): number {
    return Math.max(size, Math.ceil((bytes + readOverheadBytes) * this.#eventsPerByte));
  }
}
