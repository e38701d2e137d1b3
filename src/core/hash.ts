import { hash } from "node:crypto";
import { hashBytes, hashBytes32, hashText } from "./xxhash.ts";

/** xxhash64 with seed 0 of the UTF-8 bytes of `text`: an unsigned 64-bit integer. An on-disk contract: partitions rest on it. */
export const xxhash64 = (text: string): bigint => hashText(text);

/** xxhash64 with seed 0 of `bytes`, as 16 lower-case hexadecimal digits. */
export const checksum = (bytes: Uint8Array): string => hashBytes(bytes).toString(16).padStart(16, "0");

/** xxhash32 of `bytes`: tells what was said under one name apart, and is no name itself. An on-disk contract. */
export const hash32 = (bytes: Uint8Array, seed = 0): number => hashBytes32(bytes, seed);

/** For each code of a character: 0 for a lower-case hexadecimal digit, 1 for anything else. */
const isOther = new Uint8Array(65_536).fill(1);
for (const digit of "0123456789abcdef") isOther[digit.charCodeAt(0)] = 0;
const hyphen = 45;
const hyphens = [8, 13, 18, 23] as const;

/** Whether the text is a UUID in lower case. Every event is asked: a loop that only collects is four times as fast as a regular expression. */
function isUuid(text: string): boolean {
  if (text.length !== 36) return false;
  let from = 0;
  let others = 0;
  for (const at of hyphens) {
    if (text.charCodeAt(at) !== hyphen) return false;
    for (let i = from; i < at; i++) others |= isOther[text.charCodeAt(i)] as number;
    from = at + 1;
  }
  for (let i = from; i < 36; i++) others |= isOther[text.charCodeAt(i)] as number;
  return others === 0;
}

/** A UUID (version 8, RFC 9562) made from the SHA-256 of `text`: one text, one id, on every machine. */
export function uuidOf(text: string): string {
  const hex = hash("sha256", text);
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function lowerUuid(text: string): string | undefined {
  const lower = text.toLowerCase();
  return isUuid(lower) ? lower : undefined;
}

/** Whether a UUID was made from a hash, as `uuidOf` makes them: version 8. */
const isHashed = (uuid: string): boolean => uuid.charCodeAt(14) === 56;

/**
 * The name of an event as a lower-case UUID: source and id together name it (CloudEvents). The hash of both where a source is given;
 * else the id itself where it is a UUID, or the hash of it. A UUID of version 8 is a name that was made before, and stays what it is: so
 * an event that is sent on with its name keeps it.
 */
export function eventId(id: string, source?: string): string {
  const given = isUuid(id) ? id : lowerUuid(id);
  if (given !== undefined && (!source || isHashed(given))) return given;
  // With its length in front, no source and id run into those of another.
  return uuidOf(source ? `${Buffer.byteLength(source)}:${source}${given ?? id}` : id);
}
