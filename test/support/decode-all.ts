import type { Envelope } from "../../src/bus/envelope.ts";
import type { Fields } from "../../src/bus/fields.ts";
import { decodeFrame } from "../../src/bus/frame.ts";

/** Every event of a frame. */
export function decodeAll(fields: Fields): readonly Envelope[] {
  const envelopes = decodeFrame(fields);
  return Array.from({ length: envelopes.length }, (_, i) => envelopes.at(i) as Envelope);
}
