import type { Clock } from "../../src/core/clock.ts";
import { c } from "../../src/dsl/columns.ts";
import { defineRollup, rollups } from "../../src/dsl/rollup.ts";
import { defineTable } from "../../src/dsl/table.ts";
import type { RollupStore } from "../../src/rollup/port.ts";

export const ticks = defineTable("ticks", { columns: { id: c.uuid(), at: c.dateTime64(3) }, orderBy: ["at", "id"] });
export const rollupOf = (name: string) =>
  defineRollup(name, { from: ticks, time: "at", every: "hour", columns: { n: rollups.count() } }).plan;

export const hour = (n: number): number => Date.UTC(2026, 2, 1, n);

/** Counts rows by bucket in memory, as slowly as it is told: from what is there when a count begins, and the version of then. */
export class SlowStore implements RollupStore {
  /** The bucket of each row of the source. */
  readonly rows: number[] = [];
  /** What was asked for, in order. */
  readonly asked: { readonly rollup: string; readonly starts: readonly number[] }[] = [];
  /** How long each count takes, or what it fails with. */
  takes: (starts: readonly number[]) => number | Error = () => 0;
  readonly #clock: Clock;
  readonly #values = new Map<number, { readonly count: number; readonly version: number }>();
  #version = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async recount({ name }: { readonly name: string }, starts: readonly number[], signal?: AbortSignal): Promise<number> {
    this.asked.push({ rollup: name, starts });
    const version = ++this.#version;
    const counts = starts.map((start) => [start, this.rows.filter((row) => row === start).length] as const);
    const takes = this.takes(starts);
    if (typeof takes !== "number") throw takes;
    if (takes > 0) await this.#clock.sleep(takes, signal);
    signal?.throwIfAborted();
    for (const [start, count] of counts)
      if (version > (this.#values.get(start)?.version ?? 0)) this.#values.set(start, { count, version });
    return starts.length;
  }

  buckets = async (): Promise<readonly number[]> => [...new Set([...this.rows, ...this.#values.keys()])];

  /** What the rollup says of each bucket that it has counted. */
  get counted(): Readonly<Record<number, number>> {
    return Object.fromEntries([...this.#values].map(([start, { count }]) => [start, count]));
  }
}
