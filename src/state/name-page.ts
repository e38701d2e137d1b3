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

/** What stands for the content of a name that was forgotten. */
const forgotten = 0;

/** Words of a name: low, high and content side by side. */
const words = 3;

/**
 * Names, numbered from 0 in the order in which they came, and an index of them in open addressing, half of it taken at most. Nearly
 * every name that is looked for is new: then the index alone is touched, 4 bytes a place, since each look is somewhere else in memory.
 */
export class NamePage {
  #count = 0;
  #names = new Uint32Array(words * 512);
  #places = 1_024;
  /** What each place says of its name: a part of its hash, or 0 where there is none. */
  #marks = new Uint32Array(this.#places);
  /** The number of the name of each place. */
  #numbers = new Uint32Array(this.#places);

  /** How many names it was given, those too that were forgotten. */
  get count(): number {
    return this.#count;
  }

  /** What is remembered under the name as its content, above 0; 0 where it is not known. */
  find(low: number, high: number): number {
    const number = this.#numberOf(low, high);
    return number < 0 ? 0 : (this.#names[words * number + 2] as number);
  }

  /** Adds a name that is not known. `content` is above 0. */
  add(low: number, high: number, content: number): void {
    if (this.#count === this.#places / 2) this.#grow();
    const at = words * this.#count;
    this.#names[at] = low;
    this.#names[at + 1] = high;
    this.#names[at + 2] = content;
    this.#index(this.#count++);
  }

  /** Forgets a name, if it is known and its number is `from` or more, and below `to`. */
  forget(low: number, high: number, from: number, to: number): void {
    const number = this.#numberOf(low, high);
    if (number >= from && number < to) this.#names[words * number + 2] = forgotten;
  }

  /** Takes all away again from number `from` on. */
  cutTo(from: number): void {
    const last = this.#places - 1;
    // The newest first: so each place is emptied before those that were taken while it was empty.
    while (this.#count > from) {
      let place = this.#startOf(--this.#count);
      while (this.#marks[place] === 0 || this.#numbers[place] !== this.#count) place = (place + 1) & last;
      this.#marks[place] = 0;
    }
  }

  /** What is known from number `from` to below `to`: of each name low, high and content, each as 4 bytes, the least significant first. */
  bytesOf(from: number, to: number): Buffer {
    const bytes = Buffer.allocUnsafe(4 * words * (to - from));
    let end = 0;
    for (let at = words * from; at < words * to; at += words) {
      if (this.#names[at + 2] === forgotten) continue;
      for (let i = at; i < at + words; i++) end = bytes.writeUInt32LE(this.#names[i] as number, end);
    }
    return bytes.subarray(0, end);
  }

  /** The number of a name; -1 where it is not known. */
  #numberOf(low: number, high: number): number {
    const [marks, mark, last] = [this.#marks, markOf(low), this.#places - 1];
    for (let place = startOf(low, high, last); marks[place] !== 0; place = (place + 1) & last) {
      if (marks[place] !== mark) continue;
      const number = this.#numbers[place] as number;
      const at = words * number;
      if (this.#names[at] === low && this.#names[at + 1] === high && this.#names[at + 2] !== forgotten) return number;
    }
    return -1;
  }

  /** Gives a name the first place that is free. */
  #index(number: number): void {
    const last = this.#places - 1;
    let place = this.#startOf(number);
    while (this.#marks[place] !== 0) place = (place + 1) & last;
    this.#marks[place] = markOf(this.#names[words * number] as number);
    this.#numbers[place] = number;
  }

  #startOf(number: number): number {
    return startOf(this.#names[words * number] as number, this.#names[words * number + 1] as number, this.#places - 1);
  }

  #grow(): void {
    const names = this.#names;
    this.#places *= 2;
    this.#marks = new Uint32Array(this.#places);
    this.#numbers = new Uint32Array(this.#places);
    this.#names = new Uint32Array((words * this.#places) / 2);
    this.#names.set(names);
    for (let number = 0; number < this.#count; number++) this.#index(number);
  }
}

/** Where a name would like to be. Of both parts: ids may differ in what only one of them is made of, and would all begin at one place. */
const startOf = (low: number, high: number, last: number): number => (low ^ high) & last;

const markOf = (low: number): number => low || 1;
