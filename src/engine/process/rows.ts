import { at } from "../../core/at.ts";

/** Rows for one destination, and the event behind each. */
export interface Rows<Row = unknown> {
  /** Let go of once they are written: a sink keeps what it needs. */
  rows: Row[];
  readonly events: number[];
  /** The rows that no single event has caused, by their index: a dead letter of one is made of the row itself. */
  readonly results: Map<number, Row>;
  /** The traceparents of the events behind the rows, by the rows' index; none where no event carries one. */
  traces: Map<number, string> | undefined;
}

/** Collects rows until they are taken. */
export class RowsByDestination<Row> {
  #rows = new Map<string, Rows<Row>>();
  // Nearly every row goes where the last one went: looking it up each time would cost a tenth of the stages.
  #destination: string | undefined;
  #last: Rows<Row> | undefined;

  add(destination: string, row: Row, event: number): void {
    if (destination !== this.#destination || !this.#last) {
      this.#destination = destination;
      this.#last = this.#rows.get(destination);
      if (!this.#last) {
        this.#last = { rows: [], events: [], results: new Map(), traces: undefined };
        this.#rows.set(destination, this.#last);
      }
    }
    if (event < 0) this.#last.results.set(this.#last.rows.length, row);
    this.#last.rows.push(row);
    this.#last.events.push(event);
  }

  /** Says whose trace the row belongs to that was added last. */
  trace(traceparent: string): void {
    if (!this.#last) return;
    this.#last.traces ??= new Map();
    this.#last.traces.set(this.#last.rows.length - 1, traceparent);
  }

  /** Rows that were not taken. */
  get size(): number {
    let size = 0;
    for (const { rows } of this.#rows.values()) size += rows.length;
    return size;
  }

  /** What was collected since the last time. */
  take(): ReadonlyMap<string, Rows<Row>> {
    const rows = this.#rows;
    this.#rows = new Map();
    this.#last = undefined;
    return rows;
  }

  remove(event: number): void {
    for (const [name, rows] of this.#rows) {
      if (!rows.events.includes(event)) continue;
      this.#rows.set(
        name,
        picked(
          rows,
          rows.events.flatMap((one, i) => (one === event ? [] : [i])),
        ),
      );
      this.#last = undefined;
    }
  }
}

/** Rows in the order of the events behind them: there is one behind each. */
export function inOrder<Row>(rows: Rows<Row>): Rows<Row> {
  const eventAt = (place: number) => at(rows.events, place);
  if (rows.events.every((event, i) => i === 0 || eventAt(i - 1) <= event)) return rows;
  return picked(
    rows,
    [...rows.events.keys()].sort((a, b) => eventAt(a) - eventAt(b)),
  );
}

/** The rows at those places, in that order. */
function picked<Row>({ rows, events, results, traces }: Rows<Row>, places: readonly number[]): Rows<Row> {
  const placeNow = new Map(places.map((from, to) => [from, to]));
  const moved = <Value>(of: ReadonlyMap<number, Value>) =>
    new Map(
      [...of].flatMap(([from, value]) => {
        const to = placeNow.get(from);
        return to === undefined ? [] : [[to, value] as const];
      }),
    );
  return {
    rows: places.flatMap((place) => rows.slice(place, place + 1)),
    events: places.map((place) => at(events, place)),
    results: moved(results),
    traces: traces && moved(traces),
  };
}
