import { frames, startWorker } from "./frames.ts";
import type { Contestant } from "./measure.ts";
import { plain } from "./plain.ts";

const compared: readonly Contestant[] = [frames, plain];

/** What the measurement of another checkout of Headrace is called. */
export const beforeOf = (name: string): string => `${name}-before`;

/** The same job done by the workers of another checkout, which is built; `undefined` for a contestant that is not compared so. */
export const inCheckout = (contestant: Contestant, checkout: string): Contestant | undefined =>
  compared.includes(contestant)
    ? { ...contestant, name: beforeOf(contestant.name), start: (bench) => startWorker(bench, { checkout }) }
    : undefined;
