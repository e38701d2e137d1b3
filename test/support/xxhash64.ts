const mask = (1n << 64n) - 1n;
const p1 = 0x9e3779b185ebca87n;
const p2 = 0xc2b2ae3d27d4eb4fn;
const p3 = 0x165667b19e3779f9n;
const p4 = 0x85ebca77c2b2ae63n;
const p5 = 0x27d4eb2f165667c5n;

const times = (a: bigint, b: bigint): bigint => (a * b) & mask;
const rotated = (value: bigint, by: bigint): bigint => ((value << by) | (value >> (64n - by))) & mask;
const round = (lane: bigint, input: bigint): bigint => times(rotated((lane + times(input, p2)) & mask, 31n), p1);

/**
 * xxhash64 with seed 0, slow and by the letter: Y. Collet, "xxHash fast digest algorithm", version 0.1.1, section "XXH64".
 * The second opinion of the tests on the hash by which events find their partition.
 */
export function referenceXxhash64(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  let hash: bigint = p5;
  if (bytes.length >= 32) {
    const lanes = [(p1 + p2) & mask, p2, 0n, -p1 & mask];
    for (; at + 32 <= bytes.length; at += 32) {
      for (const i of [0, 1, 2, 3]) lanes[i] = round(lanes[i] as bigint, view.getBigUint64(at + 8 * i, true));
    }
    hash = lanes.reduce((sum, lane, i) => (sum + rotated(lane, [1n, 7n, 12n, 18n][i] as bigint)) & mask, 0n);
    for (const lane of lanes) hash = (times(hash ^ round(0n, lane), p1) + p4) & mask;
  }
  hash = (hash + BigInt(bytes.length)) & mask;
  for (; at + 8 <= bytes.length; at += 8)
    hash = (times(rotated(hash ^ round(0n, view.getBigUint64(at, true)), 27n), p1) + p4) & mask;
  for (; at + 4 <= bytes.length; at += 4)
    hash = (times(rotated(hash ^ times(BigInt(view.getUint32(at, true)), p1), 23n), p2) + p3) & mask;
  for (; at < bytes.length; at++) hash = times(rotated(hash ^ times(BigInt(bytes[at] as number), p5), 11n), p1);
  hash = times(hash ^ (hash >> 33n), p2);
  hash = times(hash ^ (hash >> 29n), p3);
  return hash ^ (hash >> 32n);
}
