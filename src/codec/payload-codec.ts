import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { ConfigError, messageOf } from "../core/errors.ts";
import type { PayloadKeys } from "./payload-keys.ts";

/** What Temporal stores of a value: its bytes, and how they are to be read. */
export interface Payload {
  metadata?: { [name: string]: Uint8Array } | null;
  data?: Uint8Array | null;
}

/** The form of Temporal's PayloadCodec. */
export interface Codec {
  encode(payloads: readonly Payload[]): Promise<Payload[]>;
  decode(payloads: readonly Payload[]): Promise<Payload[]>;
}

const encoding = "binary/encrypted";
const cipher = "aes-256-gcm";
const nonceBytes = 12;
const tagBytes = 16;

/**
 * Encrypts whole payloads, their metadata too. What another encoding wrote passes through: workflows that were started
 * before there were keys go on.
 */
export const encryptingCodec = (keys: PayloadKeys): Codec => ({
  encode: async (payloads) => payloads.map((payload) => encrypt(payload, keys)),
  decode: async (payloads) =>
    payloads.map((payload) => (textOf(payload, "encoding") === encoding ? decrypt(payload, keys) : payload)),
});

function encrypt(payload: Payload, { current, byId }: PayloadKeys): Payload {
  const key = byId.get(current);
  if (key === undefined) throw new Error(`there is no key '${current}'`);
  const nonce = randomBytes(nonceBytes);
  const sealing = createCipheriv(cipher, key, nonce).setAAD(Buffer.from(current));
  const sealed = [sealing.update(pack(payload)), sealing.final()];
  return {
    metadata: { encoding: Buffer.from(encoding), "encryption-key-id": Buffer.from(current) },
    data: Buffer.concat([nonce, ...sealed, sealing.getAuthTag()]),
  };
}

function decrypt(payload: Payload, { byId }: PayloadKeys): Payload {
  const id = textOf(payload, "encryption-key-id") ?? "";
  const key = byId.get(id);
  if (key === undefined) {
    throw new ConfigError(
      "config.environment",
      `a payload is encrypted with the key '${id}', which HEADRACE_PAYLOAD_KEYS lacks`,
      {
        hint: `It has ${[...byId.keys()].join(", ")}. Add the old key behind the new one for as long as there are histories of it.`,
      },
    );
  }
  const data = payload.data ?? new Uint8Array();
  const end = data.length - tagBytes;
  try {
    const opening = createDecipheriv(cipher, key, data.subarray(0, nonceBytes), { authTagLength: tagBytes })
      .setAAD(Buffer.from(id))
      .setAuthTag(data.subarray(Math.max(end, 0)));
    return unpack(Buffer.concat([opening.update(data.subarray(nonceBytes, Math.max(end, nonceBytes))), opening.final()]));
  } catch (error) {
    throw new ConfigError("config.environment", `a payload cannot be decrypted with the key '${id}': ${messageOf(error)}`, {
      cause: error,
      hint: "The key of this id is another one than it was encrypted with, or the payload was changed since.",
    });
  }
}

/** The length of the metadata in 4 bytes, the metadata as JSON with base64 values, then the data as it is. */
function pack({ metadata, data }: Payload): Buffer {
  const named = Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(value).toString("base64")]);
  const head = Buffer.from(JSON.stringify(Object.fromEntries(named)));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(head.length);
  // Whatever a workflow hands out without data, such as the answer of an update that returns nothing, comes here with an empty list.
  return Buffer.concat([length, head, Buffer.from(data ?? [])]);
}

function unpack(bytes: Buffer): Payload {
  const end = 4 + bytes.readUInt32BE(0);
  const named: Record<string, string> = JSON.parse(bytes.subarray(4, end).toString());
  return {
    metadata: Object.fromEntries(Object.entries(named).map(([name, value]) => [name, Buffer.from(value, "base64")])),
    data: bytes.subarray(end),
  };
}

function textOf({ metadata }: Payload, name: string): string | undefined {
  const value = metadata?.[name];
  return value && Buffer.from(value).toString();
}
