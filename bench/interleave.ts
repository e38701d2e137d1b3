/** One thing that is measured again and again. */
export interface Measured<Result> {
  readonly name: string;
  readonly measure: () => Promise<Result>;
  /** What came of a run, in a few words. */
  readonly tell: (result: Result) => string;
}

/** A place for the results: what is in it stays there when a later run fails. */
export const noResults = <Result>(all: readonly Measured<Result>[]): Map<string, Result[]> =>
  new Map(all.map(({ name }) => [name, []]));

/** Every round runs each of them once, and begins with another one: what a neighbour leaves behind falls on all alike. */
export async function interleave<Result>(
  all: readonly Measured<Result>[],
  { runs, say, signal }: { readonly runs: number; readonly say: (text: string) => void; readonly signal: AbortSignal },
  results = noResults(all),
): Promise<ReadonlyMap<string, readonly Result[]>> {
  for (let round = 0; round < runs; round++) {
    for (let place = 0; place < all.length; place++) {
      const { name, measure, tell } = all[(round + place) % all.length] as Measured<Result>;
      signal.throwIfAborted();
      const result = await measure();
      results.get(name)?.push(result);
      say(`run ${round + 1} of ${runs}: ${name} ${tell(result)}`);
    }
  }
  return results;
}
