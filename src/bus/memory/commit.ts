import { nth } from "../../core/nth.ts";
import type { Commit, DeadLetter, Fence, WentBack } from "../port.ts";
import { dismiss, leaseStatus } from "./lease.ts";
import { addDerived } from "./outbox.ts";
import { increase, type MemoryStore } from "./store.ts";

/** Commits to the twin in memory, by the rules of commit.lua. `deadLetterBytes`: what the dead letters of a partition may take. */
export function commitTo(
  store: MemoryStore,
  { fence, deadLetterBytes }: { readonly fence: Fence; readonly deadLetterBytes: number },
  commit: Commit,
): "committed" | "fenced" | WentBack {
  const { partition, pipeline } = fence;
  const { entries, counts, keyed, derived, checkpoint, number, reads } = commit;
  const status = leaseStatus(store, fence, { commits: number - 1, reads });
  if (status.kind !== "held") return status.kind === "fenced" ? "fenced" : status;
  const lease = store.lease(partition, pipeline);
  const content = entries.length > 0 || !keyed ? entries.join(" ") : keyed.states.bytes.toString("latin1");
  if (lease.commits === number && lease.made === content) return "committed";
  const group = store.group(partition, pipeline);
  const data = store.dataOf(partition, pipeline);
  if (lease.commits >= number || entries.some((id) => !group.pending.has(id))) {
    dismiss(lease);
    return { kind: "went-back", left: { commits: lease.commits, reads: lease.reads } };
  }
  lease.commits = number;
  lease.made = content;
  for (const id of entries) group.pending.delete(id);
  if (checkpoint !== undefined) data.checkpoint = checkpoint;
  for (const [counter, count] of Object.entries(counts)) increase(data.counts, counter, count);
  setAside(store, { fence, deadLetterBytes }, commit.deadLetters);
  if (partition.side === "replay") store.log(partition).remove(entries);
  if (keyed) data.keyed.write(keyed, store.clock.now());
  if (commit.names) data.names.write(commit.names, store.clock.now());
  addDerived(store, fence, derived);
  return "committed";
}

/** Keeps dead letters as long as there is room, and counts those that are not kept. */
function setAside(
  store: MemoryStore,
  { fence, deadLetterBytes }: { readonly fence: Fence; readonly deadLetterBytes: number },
  drafts: Commit["deadLetters"],
): void {
  if (drafts.length === 0) return;
  const { partition, pipeline } = fence;
  const log = store.log(partition);
  const letters = store.letters(partition);
  let room = deadLetterBytes - letters.reduce((sum, letter) => sum + sizeOf(letter), 0);
  for (const draft of drafts) {
    const fields = draft.original === undefined ? namedFields(log.fieldsOf(draft.entry)) : [];
    const at = new Date(store.clock.now()).toISOString();
    const letter = { ...draft, id: store.nextId(), pipeline, partition: partition.name, at, fields };
    const bytes = sizeOf(letter);
    if (bytes > room) increase(store.dataOf(partition, pipeline).counts, "notKept", 1);
    else {
      room -= bytes;
      letters.push(letter);
    }
  }
}

function namedFields(fields: readonly Buffer[] = []): readonly (readonly [string, Buffer])[] {
  return Array.from({ length: fields.length / 2 }, (_, i) => [String(fields[2 * i]), nth(fields, 2 * i + 1)]);
}

/** Roughly what the store would take for it. */
const sizeOf = ({ fields, original = "", error }: DeadLetter): number =>
  fields.reduce((sum, [name, value]) => sum + name.length + value.length, 200 + original.length + error.length);
