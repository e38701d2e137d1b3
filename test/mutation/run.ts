import { runCheck, type Verdict } from "./check.ts";
import { type Check, type Mutant, plant, staleOnes } from "./mutant.ts";
import { copyTree } from "./tree.ts";

/** What became of a mutant. */
export type Outcome =
  /** A test failed: which. */
  | { readonly kind: "killed"; readonly by: string }
  | { readonly kind: "survived" }
  /** It cannot be made of the source any more, does not load, or names no test: the list is to be mended. */
  | { readonly kind: "stale"; readonly reason: string };

export interface RunOptions {
  /** The tree that is copied. */
  readonly root: string;
  /** How many are tried at a time, each in a copy of its own. */
  readonly lanes: number;
  /** Told of each, as it comes. */
  readonly tell: (mutant: Mutant, outcome: Outcome, seconds: number) => void;
}

/** The tests that fail without any mutant: nothing can be learnt from them. */
export class RedBaseline extends Error {
  override readonly name = "RedBaseline";
}

/** Plants one mutant after another in copies of the tree, and runs for each what must notice it. */
export async function runMutants(
  mutants: readonly Mutant[],
  { root, lanes, tell }: RunOptions,
): Promise<ReadonlyMap<string, Outcome>> {
  const outcomes = new Map<string, Outcome>();
  const stale = await staleOnes(mutants, root);
  const waiting: Mutant[] = [];
  for (const mutant of mutants) {
    const reason = stale.get(mutant.name);
    if (reason === undefined) waiting.push(mutant);
    else done(mutant, { kind: "stale", reason }, 0);
  }
  const trees = await Promise.all(Array.from({ length: Math.min(lanes, waiting.length) }, () => copyTree(root)));
  try {
    const [first] = trees;
    if (first) await checkBaseline(first.path, waiting);
    await Promise.all(
      trees.map(async ({ path }) => {
        for (let mutant = waiting.shift(); mutant; mutant = waiting.shift()) {
          const since = performance.now();
          done(mutant, await tryOne(mutant, path), (performance.now() - since) / 1_000);
        }
      }),
    );
  } finally {
    for (const tree of trees) tree.remove();
  }
  return outcomes;

  function done(mutant: Mutant, outcome: Outcome, seconds: number): void {
    outcomes.set(mutant.name, outcome);
    tell(mutant, outcome, seconds);
  }
}

async function tryOne(mutant: Mutant, tree: string): Promise<Outcome> {
  const restore = await plant(mutant, tree);
  try {
    return outcomeOf(await runCheck(tree, mutant.by));
  } finally {
    await restore();
  }
}

function outcomeOf(verdict: Verdict): Outcome {
  switch (verdict.kind) {
    case "red":
      return { kind: "killed", by: verdict.by };
    case "green":
      return { kind: "survived" };
    case "void":
      return { kind: "stale", reason: verdict.reason };
    default:
      return verdict satisfies never;
  }
}

/** All that the mutants name, without any of them: what is filtered in one way runs together. */
async function checkBaseline(tree: string, mutants: readonly Mutant[]): Promise<void> {
  const faults = new Set<string>();
  const files = new Map<string | undefined, Set<string>>();
  for (const { by } of mutants) {
    if (by.kind === "fault") faults.add(by.fault);
    else files.set(by.names, new Set([...(files.get(by.names) ?? []), ...by.files]));
  }
  const checks: readonly Check[] = [
    ...[...files].map(([names, of]) => ({ kind: "tests" as const, files: [...of], ...(names !== undefined && { names }) })),
    ...[...faults].map((fault) => ({ kind: "fault" as const, fault })),
  ];
  for (const check of checks) {
    const verdict = await runCheck(tree, check);
    // A check that names no test is told of by its mutants.
    if (verdict.kind === "red") throw new RedBaseline(verdict.by);
  }
}
