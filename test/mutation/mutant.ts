import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** What must notice a mutant. */
export type Check =
  /** Test files, and a pattern of the names of the tests in them that are run; without it, all. */
  | { readonly kind: "tests"; readonly files: readonly string[]; readonly names?: string }
  /** One fault of the chaos suite, in its short form. */
  | { readonly kind: "fault"; readonly fault: string };

/** A small change of the source that breaks a promise. */
export interface Mutant {
  readonly name: string;
  /** What users would meet if it were released. */
  readonly breaks: string;
  readonly file: string;
  /** The exact text to change. It stands in the file once. */
  readonly find: string;
  readonly replace: string;
  readonly by: Check;
}

/** Why the mutant cannot be made of the file, if it cannot: the source has moved on, and the list has not. */
export function staleness({ file, find, replace }: Mutant, text: string | undefined): string | undefined {
  if (text === undefined) return `there is no file ${file}`;
  const times = text.split(find).length - 1;
  if (times !== 1) return `${JSON.stringify(find)} stands ${times} times in ${file}, and once is wanted`;
  return find === replace ? "it changes nothing" : undefined;
}

/** The mutants of the list that cannot be made of the tree, each with the reason. */
export async function staleOnes(mutants: readonly Mutant[], root: string): Promise<ReadonlyMap<string, string>> {
  const stale = new Map<string, string>();
  for (const mutant of mutants) {
    const reason = staleness(mutant, await textOf(join(root, mutant.file)));
    if (reason !== undefined) stale.set(mutant.name, reason);
  }
  return stale;
}

/** Changes the file in the tree. Returns what puts it back as it was. */
export async function plant({ file, find, replace }: Mutant, root: string): Promise<() => Promise<void>> {
  const path = join(root, file);
  const text = await readFile(path, "utf8");
  // A function: in a text `$&` would stand for what was found.
  await writeFile(
    path,
    text.replace(find, () => replace),
  );
  return () => writeFile(path, text);
}

const textOf = (path: string): Promise<string | undefined> => readFile(path, "utf8").catch(() => undefined);
