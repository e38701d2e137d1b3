/** Numbers that look random and are the same for the same seed, on every machine. */
export interface Random {
  /** Uniform in [0, 1), with 32 bits. */
  next(): number;
  /** A whole number, `from` and `to` included. */
  int(from: number, to: number): number;
  /** True with this probability. */
  chance(probability: number): boolean;
  pick<T>(choices: readonly T[]): T;
  /** Log-normal with this median; `sigma` is the standard deviation of its logarithm. */
  logNormal(median: number, sigma: number): number;
  /** Exponential with this mean. */
  exponential(mean: number): number;
  /** A version 4 UUID. */
  uuid(): string;
  /** `length` lower-case hexadecimal digits. */
  hex(length: number): string;
}

const byteText = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/**
 * The generator for `seed`: sfc32, "small fast chaotic", by Chris Doty-Humphrey (PractRand): three words of state and a counter.
 *
 *     out = a + b + counter++;  a = b ^ (b >>> 9);  b = c + (c << 3);  c = rotl(c, 21) + out
 *
 * The seed's text fills the state through FNV-1a and the finaliser of MurmurHash3; the first 15 numbers, still close to the seed,
 * are thrown away.
 */
export function createRandom(seed: string | number): Random {
  let a = hash32(`${seed}/a`);
  let b = hash32(`${seed}/b`);
  let c = hash32(`${seed}/c`);
  let counter = 1;

  const word = (): number => {
    const out = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + out) | 0;
    return out >>> 0;
  };
  for (let i = 0; i < 15; i++) word();

  const next = () => word() / 0x1_0000_0000;
  const int = (from: number, to: number) => from + Math.floor(next() * (to - from + 1));
  const hex = (length: number) => {
    let digits = "";
    while (digits.length < length) {
      const bits = word();
      digits += byteText[bits >>> 24]! + byteText[(bits >>> 16) & 255]! + byteText[(bits >>> 8) & 255]! + byteText[bits & 255]!;
    }
    return digits.length === length ? digits : digits.slice(0, length);
  };
  /** Box and Muller, 1958; one of the pair is enough. `1 - next()` is never 0. */
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());

  return {
    next,
    int,
    hex,
    chance: (probability) => next() < probability,
    pick: <T>(choices: readonly T[]) => choices[Math.floor(next() * choices.length)] as T,
    logNormal: (median, sigma) => median * Math.exp(sigma * normal()),
    exponential: (mean) => -mean * Math.log(1 - next()),
    uuid: () => {
      const digits = hex(32);
      const variant = "89ab"[Number.parseInt(digits.charAt(16), 16) & 3];
      const last = `${variant}${digits.slice(17, 20)}-${digits.slice(20)}`;
      return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-${last}`;
    },
  };
}

/**
 * A sampler of 0 … size-1 by Zipf's law: the k-th is drawn in proportion to 1 / (k + 1)^exponent.
 * Inverts the summed weights by bisection.
 */
export function zipf(size: number, exponent: number): (random: Random) => number {
  const sums = new Float64Array(size);
  let total = 0;
  for (let k = 0; k < size; k++) {
    total += (k + 1) ** -exponent;
    sums[k] = total;
  }
  return (random) => {
    const target = random.next() * total;
    let low = 0;
    let high = size - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((sums[middle] as number) > target) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
