import xxhash from "xxhash-wasm";

type Hasher = Awaited<ReturnType<typeof xxhash>>;

/**
 * Compiled in the background: a module that waits for it could not be loaded by `require`. Whoever hashes in the first milliseconds
 * of a process does it slowly, with the same result.
 */
let compiled: Hasher | undefined;
void xxhash().then(
  (hasher) => {
    compiled = hasher;
  },
  // Where there is no WebAssembly, all is done slowly.
  () => {},
);

/** xxhash64 with seed 0 of the UTF-8 bytes of a text. */
export const hashText = (text: string): bigint => compiled?.h64(text) ?? slowHash(Buffer.from(text));

/** xxhash64 with seed 0 of bytes. */
export const hashBytes = (bytes: Uint8Array): bigint => compiled?.h64Raw(bytes) ?? slowHash(bytes);

/** xxhash32 of bytes: an unsigned 32-bit integer. Half as long for short ones as xxhash64, and no BigInt. */
export const hashBytes32 = (bytes: Uint8Array, seed = 0): number => compiled?.h32Raw(bytes, seed) ?? slowHash32(bytes, seed);

// The constants and the steps are those of the specification of xxHash ("XXH64 algorithm description").
const [p1, p2, p3, p4, p5] = [
  0x9e3779b185ebca87n,
  0xc2b2ae3d27d4eb4fn,
  0x165667b19e3779f9n,
  0x85ebca77c2b2ae63n,
  0x27d4eb2f165667c5n,
] as const;
const wrap = (value: bigint): bigint => BigInt.asUintN(64, value);
const turn = (value: bigint, bits: bigint): bigint => wrap(value << bits) | (value >> (64n - bits));
const round = (lane: bigint, input: bigint): bigint => wrap(turn(wrap(lane + input * p2), 31n) * p1);
const merge = (hash: bigint, lane: bigint): bigint => wrap((hash ^ round(0n, lane)) * p1 + p4);

/** The same without WebAssembly. */
export function slowHash(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  let hash: bigint = p5;
  if (bytes.length >= 32) {
    const lanes: [bigint, bigint, bigint, bigint] = [wrap(p1 + p2), p2, 0n, wrap(-p1)];
    for (; at + 32 <= bytes.length; at += 32)
      for (let lane = 0; lane < 4; lane++) lanes[lane] = round(lanes[lane] as bigint, view.getBigUint64(at + lane * 8, true));
    hash = wrap(turn(lanes[0], 1n) + turn(lanes[1], 7n) + turn(lanes[2], 12n) + turn(lanes[3], 18n));
    for (const lane of lanes) hash = merge(hash, lane);
  }
  hash = wrap(hash + BigInt(bytes.length));
  for (; at + 8 <= bytes.length; at += 8) hash = wrap(turn(hash ^ round(0n, view.getBigUint64(at, true)), 27n) * p1 + p4);
  for (; at + 4 <= bytes.length; at += 4) hash = wrap(turn(hash ^ wrap(BigInt(view.getUint32(at, true)) * p1), 23n) * p2 + p3);
  for (; at < bytes.length; at++) hash = wrap(turn(hash ^ wrap(BigInt(bytes[at] as number) * p5), 11n) * p1);
  hash = wrap((hash ^ (hash >> 33n)) * p2);
  hash = wrap((hash ^ (hash >> 29n)) * p3);
  return hash ^ (hash >> 32n);
}

// The same for "XXH32 algorithm description".
const [q1, q2, q3, q4, q5] = [0x9e3779b1, 0x85ebca77, 0xc2b2ae3d, 0x27d4eb2f, 0x165667b1] as const;
const turn32 = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));
const round32 = (lane: number, input: number): number => Math.imul(turn32((lane + Math.imul(input, q2)) | 0, 13), q1);

/** xxhash32 without WebAssembly. */
export function slowHash32(bytes: Uint8Array, seed = 0): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  let hash = (seed + q5) | 0;
  if (bytes.length >= 16) {
    let [a, b, c, d] = [(seed + q1 + q2) | 0, (seed + q2) | 0, seed | 0, (seed - q1) | 0];
    for (; at + 16 <= bytes.length; at += 16) {
      a = round32(a, view.getUint32(at, true));
      b = round32(b, view.getUint32(at + 4, true));
      c = round32(c, view.getUint32(at + 8, true));
      d = round32(d, view.getUint32(at + 12, true));
    }
    hash = (turn32(a, 1) + turn32(b, 7) + turn32(c, 12) + turn32(d, 18)) | 0;
  }
  hash = (hash + bytes.length) | 0;
  for (; at + 4 <= bytes.length; at += 4) hash = Math.imul(turn32((hash + Math.imul(view.getUint32(at, true), q3)) | 0, 17), q4);
  for (; at < bytes.length; at++) hash = Math.imul(turn32((hash + Math.imul(bytes[at] as number, q5)) | 0, 11), q1);
  hash = Math.imul(hash ^ (hash >>> 15), q2);
  hash = Math.imul(hash ^ (hash >>> 13), q3);
  return (hash ^ (hash >>> 16)) >>> 0;
}
