import { nth } from "../core/nth.ts";
import type { AggregatorPlan, Moment } from "../plan/window.ts";

/** The aggregators of a window as one: what they have gathered lies side by side, in the order in which they were declared. */
export interface Aggregation {
  init(): unknown[];
  copy(gathered: readonly unknown[]): unknown[];
  /** Changes what it is given. */
  add(gathered: unknown[], value: unknown, moment: Moment): void;
  /** All parts together; a part that is alone is not copied. */
  mergeAll(parts: readonly (readonly unknown[])[]): readonly unknown[];
  result(gathered: readonly unknown[]): Readonly<Record<string, unknown>>;
}

export function createAggregation(plans: Readonly<Record<string, AggregatorPlan>>): Aggregation {
  const names = Object.keys(plans);
  const all = Object.values(plans);
  const copy = (gathered: readonly unknown[]) => all.map((one, i) => one.copy(gathered[i]));
  return {
    init: () => all.map((one) => one.init()),
    copy,
    add(gathered, value, moment) {
      for (let i = 0; i < all.length; i++) gathered[i] = (all[i] as AggregatorPlan).add(gathered[i], value, moment);
    },
    mergeAll([first = [], ...others]) {
      if (others.length === 0) return first;
      return others.reduce<unknown[]>((whole, part) => all.map((one, i) => one.merge(whole[i], one.copy(part[i]))), copy(first));
    },
    result: (gathered) => Object.fromEntries(names.map((name, i) => [name, nth(all, i).result(gathered[i])])),
  };
}
