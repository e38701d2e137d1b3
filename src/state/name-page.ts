/** The hash of the name of an event, in two parts of 32 bits. One serves for many names: an object for each would cost as much as all the rest. */
export class NameHash {
  low = 0;
  high = 0;

  /** Takes the hash of a UUID. An on-disk contract: names that were stored are found by it. */
  of(uuid: string): this {
    // Of every part of the UUID something, since only some kinds of UUID are random in all of them.
    const a = (hex4(uuid, 0) << 16) | hex4(uuid, 4);
    const b = (hex4(uuid, 9) << 16) | hex4(uuid, 14);
    const c = (hex4(uuid, 19) << 16) | hex4(uuid, 24);
    const d = (hex4(uuid, 28) << 16) | hex4(uuid, 32);
    this.low = mixed(mixed(a ^ Math.imul(c, 0x9e3779b1)) ^ d);
    this.high = mixed(mixed(mixed(b ^ Math.imul(d, 0x85ebca77)) ^ c) ^ a);
    return this;
  }
}

/** The value of each character of a lower-case hexadecimal number. */
const digits = Uint8Array.from({ length: 128 }, (_, code) => (code < 58 ? code - 48 : code - 87));

/** Four hexadecimal digits from `start` on. */
const hex4 = (text: string, start: number): number =>
  ((digits[text.charCodeAt(start)] as number) << 12) |
  ((digits[text.charCodeAt(start + 1)] as number) << 8) |
  ((digits[text.charCodeAt(start + 2)] as number) << 4) |
  (digits[text.charCodeAt(start + 3)] as number);

/** Spreads 32 bits evenly; each value has one of its own (the last step of MurmurHash3). */
function mixed(bits: number): number {
  let h = bits;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Below it are the marks of a place that holds nothing, and of one whose name was forgotten. */
export const leastContent = 2;
const empty = 0;
const forgotten = 1;

/** Words of a place: low, high and content side by side, since each place is somewhere else in memory. */
const words = 3;

/** Hashes of names in open addressing: 12 bytes a place, three quarters of them taken at most. An object for each would cost ten times that. */
export class NamePage {
  #count = 0;
  #places = 1_024;
  #table = new Uint32Array(words * this.#places);

  /** How many names it was given, those too that were forgotten. */
  get count(): number {
    return this.#count;
  }

  /** The hash of what the name says; 0 where it is not known. */
  find(low: number, high: number): number {
    const content = this.#table[this.#placeOf(low, high) + 2] as number;
    return content < leastContent ? 0 : content;
  }

  add(low: number, high: number, content: number): void {
    if (this.#count >= this.#places * 0.75) this.#grow();
    const place = this.#placeOf(low, high);
    if (this.#table[place + 2] === empty) this.#count++;
    this.#table[place] = low;
    this.#table[place + 1] = high;
    this.#table[place + 2] = content;
  }

  forget(low: number, high: number): void {
    const place = this.#placeOf(low, high);
    if (this.#table[place + 2] !== empty) this.#table[place + 2] = forgotten;
  }

  /** Where in the table the name is, or would be. */
  #placeOf(low: number, high: number): number {
    const table = this.#table;
    const end = table.length;
    // Of both parts: ids may differ in what only one of them is made of, and would all begin at one place.
    let at = words * ((low ^ high) & (this.#places - 1));
    while (table[at + 2] !== empty && !(table[at] === low && table[at + 1] === high)) {
      at += words;
      if (at === end) at = 0;
    }
    return at;
  }

  #grow(): void {
    const old = this.#table;
    this.#places *= 2;
    this.#table = new Uint32Array(words * this.#places);
    this.#count = 0;
    for (let at = 0; at < old.length; at += words) {
      const content = old[at + 2] as number;
      if (content >= leastContent) this.add(old[at] as number, old[at + 1] as number, content);
    }
  }
}
