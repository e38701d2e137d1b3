import { xxhash64 } from "../../core/hash.ts";

const rows = 4;
const columnBits = 21;
const mask = (1 << columnBits) - 1;

/**
 * How often texts came before, in constant memory (32 MiB at most): a count-min sketch. Two that are equal never get the same number,
 * however many lie between them, and equal files get equal numbers. A text that came for the first time gets 1, but that, behind some
 * hundred thousand different ones, it may get a higher number, which depends on them.
 */
export class Copies {
  #counts: Uint32Array | undefined;

  /** The how many-th of its kind a text is, from 1. */
  next(text: string): number {
    this.#counts ??= new Uint32Array(rows << columnBits);
    const counts = this.#counts;
    const hash = xxhash64(text);
    const low = Number(hash & 0xffffffffn);
    const high = Number(hash >> 32n) | 1;
    // Row by row another place, all of one hash.
    const places = Array.from({ length: rows }, (_, row) => (row << columnBits) + ((low + Math.imul(row, high)) & mask));
    const before = Math.min(...places.map((place) => counts[place] ?? 0));
    // Only what says the least is raised: it is what the text itself must have left.
    for (const place of places) if (counts[place] === before) counts[place] = before + 1;
    return before + 1;
  }

  clear(): void {
    this.#counts = undefined;
  }
}
