import { createClient, RESP_TYPES } from "redis";

/** In one step: a copy of some keys at one moment and of others at another is none of any moment. */
const dumpAll = `#!lua flags=allow-cross-slot-keys
local kept = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  if string.sub(key, 1, #ARGV[1]) == ARGV[1] then
    kept[#kept + 1] = key
    kept[#kept + 1] = redis.call('DUMP', key)
  end
end
return kept`;

/** What it puts back: the keys that are there now go, those that were kept come. */
const restoreAll = `#!lua flags=allow-cross-slot-keys
for _, key in ipairs(redis.call('KEYS', '*')) do
  if string.sub(key, 1, #ARGV[1]) == ARGV[1] then redis.call('DEL', key) end
end
for i = 2, #ARGV, 2 do redis.call('RESTORE', ARGV[i], 0, ARGV[i + 1]) end
return #ARGV`;

/** Keeps the keys of a server that begin with `prefix` as they are now; what it returns puts them back. */
export async function snapshotOf(url: string, prefix = ""): Promise<() => Promise<void>> {
  const kept = (await evaluate(url, dumpAll, [prefix])) as readonly Buffer[];
  return async () => void (await evaluate(url, restoreAll, [prefix, ...kept]));
}

async function evaluate(url: string, script: string, args: readonly (string | Buffer)[]): Promise<unknown> {
  const client = createClient({ url });
  await client.connect();
  try {
    return await client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }).sendCommand(["EVAL", script, "0", ...args]);
  } finally {
    client.destroy();
  }
}
