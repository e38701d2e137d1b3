import { bullmq } from "./bullmq.ts";
import { bytewax } from "./bytewax.ts";
import { bento, redpandaConnect } from "./connect.ts";
import { faststream } from "./faststream.ts";
import type { Peer } from "./peer.ts";

/** Whom we are compared with, where they are installed. */
export const peers: readonly Peer[] = [redpandaConnect, bento, faststream, bullmq, bytewax];

/** Which of them are there, and how to get the others. */
export interface FoundPeers {
  readonly present: readonly Peer[];
  /** By name. */
  readonly versions: Readonly<Record<string, string>>;
  readonly missing: readonly { readonly name: string; readonly missing: string }[];
}

export function lookForPeers(wanted: readonly Peer[]): FoundPeers {
  const looked = wanted.map((peer) => ({ peer, name: peer.contestant.name, version: peer.version() }));
  return {
    present: looked.flatMap(({ peer, version }) => (version === undefined ? [] : [peer])),
    versions: Object.fromEntries(looked.flatMap(({ name, version }) => (version === undefined ? [] : [[name, version]]))),
    missing: looked.flatMap(({ peer, name, version }) => (version === undefined ? [{ name, missing: peer.missing }] : [])),
  };
}
