import { checksum } from "../../core/hash.ts";
import type { ScriptCall } from "../../redis/scripts.ts";
import { keys } from "../partition.ts";
import type { Commit, DeadLetterDraft, DerivedFrame, Fence } from "../port.ts";
import { keyedArgs } from "./keyed.ts";
import { namesArgs } from "./names.ts";
import { tokenOf } from "./token.ts";

/** The keys and arguments of commit.lua. `deadLetterBytes`: what the dead letters of a partition may take. */
export function commitCall(fence: Fence, commit: Commit, deadLetterBytes: number): ScriptCall {
  const { entries, counts, deadLetters, derived, checkpoint, number, reads } = commit;
  const { partition, pipeline, owner } = fence;
  const keyed = keyedArgs(fence, commit.keyed, 8);
  const names = namesArgs(fence, commit.names);
  const counters = Object.entries(counts).filter(([, count]) => count !== 0);
  return {
    keys: [
      keys.lease(partition, pipeline),
      partition.log,
      keys.open(partition, pipeline),
      keys.ledger(partition, pipeline),
      keys.deadLetters(partition),
      keys.states(partition, pipeline),
      keys.outbox(partition, pipeline),
      ...keyed.keys,
      ...names.keys,
    ],
    args: [
      owner,
      tokenOf(fence),
      pipeline,
      new Date().toISOString(),
      pipeline,
      partition.name,
      partition.side,
      checkpoint ?? "",
      number,
      contentOf(commit),
      reads,
      `hxhhxhx${keyed.types}${names.types}`,
      entries.length,
      ...entries,
      counters.length,
      ...counters.flat(),
      deadLetters.length,
      deadLetterBytes,
      ...deadLetters.flatMap(deadLetterArgs),
      ...keyed.args,
      derived.length,
      ...derived.flatMap(derivedArgs),
      ...names.args,
    ],
  };
}

/** Tells commits of the same number apart. What a commit settles names it; one that settles nothing writes states. */
function contentOf({ entries, keyed }: Commit): string {
  return checksum(entries.length > 0 || !keyed ? Buffer.from(entries.join(" "), "latin1") : keyed.states.bytes);
}

function derivedArgs({ to, frame }: DerivedFrame): readonly (string | number | Buffer)[] {
  const { count, codec, minTime, maxTime, checksum, body } = frame;
  return [JSON.stringify(to), to.log, count, codec, minTime, maxTime, checksum, body];
}

function deadLetterArgs(letter: DeadLetterDraft): readonly (string | number)[] {
  const { entry, index, stage, reason, error, type, eventId, original } = letter;
  const fields = ["index", index, "stage", stage, "reason", reason, "error", error, "type", type, "event", eventId];
  if (original !== undefined) fields.push("original", original);
  return [entry, original === undefined ? 1 : 0, fields.length, ...fields];
}
