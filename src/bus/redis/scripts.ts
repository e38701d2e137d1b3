import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Commands } from "../../redis/client.ts";

const names = [
  "acquire",
  "renew",
  "release",
  "read",
  "given",
  "nack",
  "states",
  "timers",
  "seen",
  "names",
  "commit",
  "append",
  "relay",
  "relayed",
  "count",
  "trim",
  "forget",
  "inspect",
  "replay-letter",
  "discard-letter",
  "reread",
  "grant",
  "announce",
  "withdraw",
  "live",
  "replace",
  "mark",
  "clean",
] as const;
export type ScriptName = (typeof names)[number];

const load = (file: string) => readFileSync(new URL(`./scripts/${file}.lua`, import.meta.url), "utf8");

/**
 * Only new events are refused when Redis is out of memory: leases, commits and what they free must go on. Scripts without a
 * first line of flags would be refused at their first write, in the middle.
 */
const flagsOf = (name: ScriptName) =>
  name === "append" || name === "relay" || name === "reread" ? "#!lua" : "#!lua flags=allow-oom";

const library = load("library");
const scripts = new Map(
  names.map((name) => {
    const source = `${flagsOf(name)}\n${library}\n${load(name)}`;
    return [name, { source, sha: createHash("sha1").update(source).digest("hex") }];
  }),
);

/** The text of a script, for a transaction: there a script that the server does not know could not be loaded in between. */
export const scriptSource = (name: ScriptName): string => scripts.get(name)?.source ?? "";

export type Reply = null | number | Buffer | readonly Reply[];

export interface ScriptCall {
  readonly keys: readonly string[];
  readonly args: readonly (string | number | Buffer)[];
}

/** Runs one of our Lua scripts by its hash; loads it when the server does not know it (yet, or no more after a restart). */
export async function runScript(redis: Commands, name: ScriptName, call: ScriptCall): Promise<Reply> {
  const script = scripts.get(name);
  if (!script) throw new Error(`no script ${name}`);
  // All keys of a script share a slot.
  const key = call.keys[0] as string;
  const rest = [String(call.keys.length), ...call.keys, ...call.args.map((arg) => (typeof arg === "number" ? String(arg) : arg))];
  try {
    return (await redis.send(key, ["EVALSHA", script.sha, ...rest])) as Reply;
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
    return (await redis.send(key, ["EVAL", script.source, ...rest])) as Reply;
  }
}
