import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Contestant } from "./measure.ts";

/** A framework of others that does the same job. None is a dependency of ours: whoever wants the comparison installs it. */
export interface Peer {
  readonly contestant: Contestant;
  /** The version that is there; undefined where there is none. */
  readonly version: () => string | undefined;
  /** How to get it, for who has it not. */
  readonly missing: string;
  /** What `bench/peers/install.mjs` does; left out where it has to be brought. */
  readonly recipe?: Recipe;
}

/** One exact version, got with the ordinary client of its kind, into a directory of its own. */
export interface Recipe {
  readonly version: string;
  readonly install: (directory: string) => Promise<void>;
}

/** Where peers are installed: `$HEADRACE_PEERS_DIR`, else `headrace/peers` in the user's cache directory. */
export function peersDirectory({ env } = process): string {
  const { HEADRACE_PEERS_DIR, XDG_CACHE_HOME } = env as Readonly<Record<string, string | undefined>>;
  return HEADRACE_PEERS_DIR || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "headrace", "peers");
}

/** The directory of one of them. */
export const peerDirectory = (name: string): string => join(peersDirectory(), name);

/** Holds the version; it is written when all else is there. */
export const stampOf = (directory: string): string => join(directory, "installed-version");

/** What every peer with a recipe tells about itself. */
export const installable = (name: string): Pick<Peer, "version" | "missing"> => ({
  version: () => {
    try {
      return readFileSync(stampOf(peerDirectory(name)), "utf8").trim();
    } catch {
      return undefined;
    }
  },
  missing: `node bench/peers/install.mjs ${name}`,
});

/** Runs a client in a directory, with what it says shown as it comes. */
export async function runIn(directory: string, command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, { cwd: directory, stdio: ["ignore", 2, 2] });
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`${[command, ...args].join(" ")} ended with ${code}`);
}
