import { mkdir, rm, writeFile } from "node:fs/promises";
import { peerDirectory, stampOf } from "./peer.ts";
import { peers } from "./peers.ts";

/**
 * Installs the peers of these names, all that can be installed where there are none. What is there in its version is left alone.
 * Says what it does with `say`, and resolves with whether all are there.
 */
export async function installPeers(names: readonly string[], say: (text: string) => void): Promise<boolean> {
  const unknown = names.find((name) => !peers.some(({ contestant }) => contestant.name === name));
  if (unknown !== undefined) {
    say(`There is no peer '${unknown}'; there are ${peers.map(({ contestant }) => contestant.name).join(", ")}.`);
    return false;
  }
  let complete = true;
  for (const { contestant, recipe, version, missing } of peers) {
    const { name } = contestant;
    if (names.length === 0 ? recipe === undefined : !names.includes(name)) continue;
    const there = version();
    if (recipe === undefined) {
      say(there === undefined ? `${name} has to be brought: ${missing}.` : `${name} ${there} is there.`);
      complete &&= there !== undefined;
      continue;
    }
    if (there === recipe.version) {
      say(`${name} ${there} is there.`);
      continue;
    }
    const directory = peerDirectory(name);
    try {
      say(`Installing ${name} ${recipe.version} in ${directory}`);
      await rm(directory, { recursive: true, force: true });
      await mkdir(directory, { recursive: true });
      await recipe.install(directory);
      await writeFile(stampOf(directory), recipe.version);
    } catch (error) {
      say(`${name} could not be installed: ${error instanceof Error ? error.message : error}`);
      complete = false;
    }
  }
  return complete;
}
