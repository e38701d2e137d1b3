import { createSecretKey, type KeyObject } from "node:crypto";
import { ConfigError } from "../core/errors.ts";
import { nth } from "../core/nth.ts";

/** Keys by their id. The first encrypts; all of them decrypt, so that a key can be replaced while workflows run. */
export interface PayloadKeys {
  readonly current: string;
  readonly byId: ReadonlyMap<string, KeyObject>;
}

const keyBytes = 32;
const hint = "Write id:key, several joined by commas; a key is what 'openssl rand -base64 32' prints.";

/** Reads `id1:base64key,id2:base64key`. No sentence of its errors holds a part of a key. */
export function parsePayloadKeys(text: string): PayloadKeys {
  const byId = new Map<string, KeyObject>();
  const refuse = (what: string) => new ConfigError("config.environment", `HEADRACE_PAYLOAD_KEYS ${what}`, { hint });
  for (const [i, entry] of text.split(",").entries()) {
    const [, id, key] = /^\s*([\w.-]{1,64}):([A-Za-z0-9+/_-]+={0,2})\s*$/.exec(entry) ?? [];
    if (id === undefined || key === undefined) throw refuse(`holds no id:key as number ${i + 1}`);
    if (byId.has(id)) throw refuse(`holds the id '${id}' twice`);
    const bytes = Buffer.from(key, "base64");
    if (bytes.length !== keyBytes) throw refuse(`has a key '${id}' of ${bytes.length} bytes, not ${keyBytes}`);
    byId.set(id, createSecretKey(bytes));
  }
  return { current: nth([...byId.keys()], 0), byId };
}
