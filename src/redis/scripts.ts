import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Commands } from "./client.ts";

export type Reply = null | number | Buffer | readonly Reply[];

export interface ScriptCall {
  /** All of one slot. */
  readonly keys: readonly [string, ...string[]];
  readonly args: readonly (string | number | Buffer)[];
}

export interface ScriptOptions<Name> {
  /** Name of a file whose functions all of them use. @default none */
  readonly library?: string;
  /** Those that Redis refuses while it is out of memory. @default none */
  readonly refusedWhenFull?: readonly Name[];
}

/** The Lua scripts of a driver. */
export interface Scripts<Name extends string> {
  /** Runs a script by its hash; loads it when the server does not know it (yet, or no more after a restart). */
  run<Answer = Reply>(redis: Commands, name: Name, call: ScriptCall): Promise<Answer>;
  /** The text of a script, for a transaction: there a script that the server does not know could not be loaded in between. */
  source(name: Name): string;
}

/** Loads the scripts `<name>.lua` of a folder. */
export function loadScripts<const Name extends string>(
  folder: URL,
  names: readonly Name[],
  { library, refusedWhenFull = [] }: ScriptOptions<Name> = {},
): Scripts<Name> {
  const load = (name: string) => readFileSync(new URL(`${name}.lua`, folder), "utf8");
  const shared = library === undefined ? "" : `${load(library)}\n`;
  const scripts = new Map(
    names.map((name) => {
      // Leases, commits and what they free must go on while memory is full. Scripts without a first line of flags would be refused
      // at their first write, in the middle.
      const flags = refusedWhenFull.includes(name) ? "#!lua" : "#!lua flags=allow-oom";
      const source = `${flags}\n${shared}${load(name)}`;
      return [name, { source, sha: createHash("sha1").update(source).digest("hex") }];
    }),
  );
  const scriptOf = (name: Name) => {
    const script = scripts.get(name);
    if (!script) throw new Error(`no script ${name}`);
    return script;
  };
  return {
    async run<Answer>(redis: Commands, name: Name, { keys, args }: ScriptCall) {
      const { sha, source } = scriptOf(name);
      const rest = [String(keys.length), ...keys, ...args.map((arg) => (typeof arg === "number" ? String(arg) : arg))];
      try {
        return await redis.send<Answer>(keys[0], ["EVALSHA", sha, ...rest]);
      } catch (error) {
        if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
        return await redis.send<Answer>(keys[0], ["EVAL", source, ...rest]);
      }
    },
    source: (name) => scriptOf(name).source,
  };
}
