import { isHalved, mayBeHalved } from "../core/half-character.ts";
import type { Fault } from "./envelope.ts";
import { halved, isTooDeep, maxEventBytes, tooDeep, tooLarge } from "./event-limits.ts";

export type JsonResult = { readonly kind: "json"; readonly value: unknown } | ({ readonly kind: "refused" } & Fault);

/** Reads bytes that hold an event, or the payload of one, as JSON. `where` they are is said of what is wrong, such as "the field 'data'". */
export function readJson(bytes: Buffer, where: string, maxBytes = maxEventBytes): JsonResult {
  if (bytes.length > maxBytes) return refused("too-large", tooLarge(bytes.length, maxBytes));
  const text = decodeUtf8(bytes);
  if (text === undefined) return refused("not-utf8", `${where} is not UTF-8 text`);
  if (isTooDeep(text)) return refused("too-deep", tooDeep);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return refused("not-json", `${where} is not JSON: ${error instanceof Error ? error.message.slice(0, 200) : error}`);
  }
  if (mayBeHalved(text) && isHalved(value)) return refused("half-character", halved);
  return { kind: "json", value };
}

const refused = (reason: string, error: string): JsonResult => ({ kind: "refused", reason, error });

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of bytes; `undefined` where they are no UTF-8. */
export function decodeUtf8(bytes: Buffer): string | undefined {
  const text = bytes.toString("utf8");
  // Only a text that holds the replacement character can have been damaged by decoding.
  if (!text.includes("\ufffd")) return text;
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}
