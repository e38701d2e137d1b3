import type { Envelope } from "../../bus/envelope.ts";
import type { DerivedFrame } from "../../bus/port.ts";
import type { Clock } from "../../core/clock.ts";
import type { Rejected, Sink } from "../../sinks/port.ts";
import type { Telemetry } from "../../telemetry/port.ts";
import type { BatchResults } from "../process/results.ts";
import type { Rows } from "../process/rows.ts";
import type { BatchHead } from "../read/batch.ts";
import type { PackDerived } from "./outbox.ts";

export interface SinkWriterDeps {
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** By the names of the pipeline's destinations; streams are not among them. */
  readonly sinks: ReadonlyMap<string, Sink>;
  readonly pack: PackDerived;
}

/** The derived events of a batch, ready for its commit. */
export interface Derived {
  readonly frames: readonly DerivedFrame[];
  /** The traceparents of the events in them, by destination, where somebody wants to hear of them. */
  readonly traces: ReadonlyMap<string, readonly string[]>;
}

/** Hands what has become of batches to the sinks, packs what goes to streams, and takes back what is refused. */
export class SinkWriter {
  readonly #deps: SinkWriterDeps;

  constructor(deps: SinkWriterDeps) {
    this.#deps = deps;
  }

  /** Hands the rows over at once; resolves when every sink has confirmed or refused each of them. */
  write(batch: BatchHead, results: BatchResults): Promise<void> {
    const writes = [...results.rows.take()].map(([name, taken]) => this.#writeTo(name, taken, { batch, results }));
    const all = Promise.all(writes).then(() => {});
    // It is awaited later: until then a failure must not count as unhandled.
    all.catch(() => {});
    return all;
  }

  async #writeTo(
    destination: string,
    taken: Rows,
    { batch, results }: { readonly batch: BatchHead; readonly results: BatchResults },
  ): Promise<void> {
    const { clock, sinks, telemetry } = this.#deps;
    const sink = sinks.get(destination);
    if (!sink) throw new Error(`no sink '${destination}'`);
    const asked = clock.monotonic();
    const rows = taken.rows.length;
    const writing = sink.write(taken.rows, results.bytes, taken.traces);
    taken.rows = [];
    const { rejected, counts } = await writing;
    results.reject(`sink:${destination}`, taken, rejected);
    if (counts) results.note(counts, `sink:${destination}`);
    telemetry.confirmed?.({
      ...placeOf(batch),
      destination,
      rows,
      rejected: rejected.length,
      bytes: results.bytes,
      durationMs: clock.monotonic() - asked,
    });
    if (taken.traces) this.trace(batch, destination, keptOf(taken.traces, rejected));
  }

  /** Tells whose traces have reached a destination. */
  trace(batch: BatchHead, destination: string, traceparents: readonly string[]): void {
    const { clock, telemetry } = this.#deps;
    if (!telemetry.traced) return;
    const where = { ...placeOf(batch), destination, durationMs: clock.monotonic() - batch.readAt };
    for (const traceparent of traceparents) telemetry.traced({ ...where, traceparent });
  }

  /** Packs the derived events. */
  async pack(results: BatchResults): Promise<Derived> {
    const { clock, pack, telemetry } = this.#deps;
    const all: DerivedFrame[] = [];
    const traces = new Map<string, readonly string[]>();
    for (const [destination, taken] of results.takeDerived()) {
      const { frames, rejected } = await pack(destination, taken.rows, clock.now());
      results.reject(`sink:${destination}`, taken, rejected);
      all.push(...frames);
      if (telemetry.traced) traces.set(destination, keptOf(tracesOf(taken.rows), rejected));
    }
    return { frames: all, traces };
  }
}

/** Where a batch was read, for the telemetry. */
export const placeOf = ({ fence: { partition, pipeline } }: BatchHead) => ({
  pipeline,
  partition: partition.name,
  log: partition.side,
});

const tracesOf = (envelopes: readonly Envelope[]): ReadonlyMap<number, string> =>
  new Map(envelopes.flatMap(({ traceparent }, i) => (traceparent === undefined ? [] : [[i, traceparent] as const])));

const keptOf = (traces: ReadonlyMap<number, string>, rejected: readonly Rejected[]): readonly string[] => {
  const gone = new Set(rejected.map(({ row }) => row));
  return [...traces].flatMap(([row, traceparent]) => (gone.has(row) ? [] : [traceparent]));
};
