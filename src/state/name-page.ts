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

/** Hashes of names in open addressing: 12 bytes a place, three quarters of them taken at most. An object for each would cost ten times that. */
export class NamePage {
  #count = 0;
  #low = new Uint32Array(1_024);
  #high = new Uint32Array(1_024);
  #content = new Uint32Array(1_024);

  /** How many names it was given, those too that were forgotten. */
  get count(): number {
    return this.#count;
  }

  /** The hash of what the name says; 0 where it is not known. */
  find(low: number, high: number): number {
    const content = this.#content[this.#placeOf(low, high)] as number;
    return content < leastContent ? 0 : content;
  }

  add(low: number, high: number, content: number): void {
    if (this.#count >= this.#content.length * 0.75) this.#grow();
    const place = this.#placeOf(low, high);
    if (this.#content[place] === empty) this.#count++;
    this.#low[place] = low;
    this.#high[place] = high;
    this.#content[place] = content;
  }

  forget(low: number, high: number): void {
    const place = this.#placeOf(low, high);
    if (this.#content[place] !== empty) this.#content[place] = forgotten;
  }

  /** Where the name is, or would be. */
  #placeOf(low: number, high: number): number {
    const last = this.#content.length - 1;
    // Of both parts: ids may differ in what only one of them is made of, and would all begin at one place.
    let place = (low ^ high) & last;
    while (this.#content[place] !== empty && !(this.#low[place] === low && this.#high[place] === high))
      place = (place + 1) & last;
    return place;
  }

  #grow(): void {
    const [low, high, content] = [this.#low, this.#high, this.#content];
    this.#low = new Uint32Array(2 * low.length);
    this.#high = new Uint32Array(2 * low.length);
    this.#content = new Uint32Array(2 * low.length);
    this.#count = 0;
    for (let i = 0; i < low.length; i++) {
      if ((content[i] as number) < leastContent) continue;
      this.add(low[i] as number, high[i] as number, content[i] as number);
    }
  }
}
