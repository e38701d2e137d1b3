import { mkdir, rm, writeFile } from "node:fs/promises";
import { type Peer, peerDirectory, stampOf } from "./peer.ts";
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
  const wanted = peers.filter(({ contestant, recipe }) =>
    names.length === 0 ? recipe !== undefined : names.includes(contestant.name),
  );
  let complete = true;
  for (const peer of wanted) if (!(await installPeer(peer, say))) complete = false;
  return complete;
}

async function installPeer({ contestant, recipe, version, missing }: Peer, say: (text: string) => void): Promise<boolean> {
  const { name } = contestant;
  const there = version();
  if (there !== undefined && (recipe === undefined || there === recipe.version)) {
    say(`${name} ${there} is there.`);
    return true;
  }
  if (recipe === undefined) {
    say(`${name} has to be brought: ${missing}.`);
    return false;
  }
  const directory = peerDirectory(name);
  say(`Installing ${name} ${recipe.version} in ${directory}`);
  try {
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory, { recursive: true });
    await recipe.install(directory);
    await writeFile(stampOf(directory), recipe.version);
    return true;
  } catch (error) {
    say(`${name} could not be installed: ${error instanceof Error ? error.message : error}`);
    return false;
  }
}
