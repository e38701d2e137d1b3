import type { Generation, TableDay } from "../plan/archive.ts";

/**
 * Tables beside an archived one. Each belongs to one generation, so what is still under way for an earlier one cannot touch it.
 * - sealed: made empty by the claim; the day is moved there to be dropped.
 * - gone: the sealed table under another name, which decides: it will be dropped.
 * - closed: the same, decided the other way: its rows go back. A table is renamed once, so only one of the two can come true.
 * - stage: rows out of the archive, before they are let in.
 */
export type AsideKind = "sealed" | "gone" | "closed" | "stage";

export const asidePrefix = (kind: AsideKind, { table, day }: TableDay): string =>
  `headrace_${kind}_${table}_${day.replaceAll("-", "")}_`;

export const asideName = (kind: AsideKind, of: Generation): string => `${asidePrefix(kind, of)}${of.generation}`;

/** The generation that a table's name holds. */
export const generationOf = (name: string): number => Number(name.slice(name.lastIndexOf("_") + 1));
