/** What decoders ask of an entry's fields. A Map of them will do. */
export interface Fields {
  get(name: string): Buffer | undefined;
  has(name: string): boolean;
  keys(): Iterable<string>;
}

/**
 * The fields of an entry as Redis keeps them: name, value, name, value … There are few, so looking through them is cheaper than
 * making a Map for each of a hundred thousand entries a second. Where a name comes twice the first counts, as in the scripts.
 */
export class EntryFields implements Fields {
  readonly #flat: readonly Buffer[];

  constructor(flat: readonly Buffer[]) {
    this.#flat = flat;
  }

  /** `name` is ASCII. */
  get(name: string): Buffer | undefined {
    for (let i = 0; i + 1 < this.#flat.length; i += 2) {
      if (isNamed(this.#flat[i] as Buffer, name)) return this.#flat[i + 1];
    }
    return undefined;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  keys(): Iterable<string> {
    return this.#flat.filter((_, i) => i % 2 === 0).map(String);
  }
}

export function isNamed(field: Buffer, name: string): boolean {
  if (field.length !== name.length) return false;
  for (let i = 0; i < name.length; i++) if (field[i] !== name.charCodeAt(i)) return false;
  return true;
}
