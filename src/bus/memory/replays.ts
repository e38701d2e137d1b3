/** What the twin in memory puts in replay logs: the same fields as the scripts of the Redis driver. */
import { isBefore } from "../entry-id.ts";
import { originField } from "../origin.ts";
import { type Partition, replayOf } from "../partition.ts";
import type { DeadLetter } from "../port.ts";
import type { LetterKey, LetterMoved, Reread, RereadRequest } from "../replays.ts";
import { eventsIn } from "./log.ts";
import { increase, type MemoryStore } from "./store.ts";

type Field = readonly [name: string, value: Buffer];

/** Moves a dead letter to the replay log, by the rules of replay-letter.lua. */
export function replayLetter(store: MemoryStore, partition: Partition, { id, pipeline }: LetterKey): LetterMoved {
  const letter = store.letters(partition).find((one) => one.id === id);
  if (!letter) return { kind: "gone" };
  const fields = replayedFields(partition.log, letter);
  if (!fields) return { kind: "empty" };
  store.add(replayOf(partition, pipeline), fields);
  removeLetter(store, partition, letter);
  increase(store.dataOf(partition, pipeline).counts, "replayed", eventsIn(fields));
  return { kind: "moved", events: eventsIn(fields) };
}

/** Removes a dead letter for good, by the rules of discard-letter.lua. */
export function discardLetter(store: MemoryStore, partition: Partition, { id, pipeline }: LetterKey): "discarded" | "gone" {
  const letter = store.letters(partition).find((one) => one.id === id);
  if (!letter) return "gone";
  removeLetter(store, partition, letter);
  increase(store.dataOf(partition, pipeline).counts, "discarded", eventsIn(replayedFields(partition.log, letter)));
  return "discarded";
}

/** Copies entries to the replay log of one pipeline, by the rules of reread.lua. */
export function reread(
  store: MemoryStore,
  { partition, pipeline }: { readonly partition: Partition; readonly pipeline: string },
  { from, until, count, dryRun }: RereadRequest,
): Reread {
  const log = store.log(partition);
  const fits = (id: string) => !isBefore(until, id) && (isBefore(from.id, id) || (from.inclusive && id === from.id));
  const page = log.ids.filter(fits).slice(0, count);
  const events = page.reduce((sum, id) => sum + eventsIn(log.fieldsOf(id)), 0);
  if (!dryRun && page.length > 0) {
    for (const id of page) store.add(replayOf(partition, pipeline), copiedFields(partition.log, id, log.fieldsOf(id)));
    increase(store.dataOf(partition, pipeline).counts, "reread", events);
  }
  return { entries: page.length, events, last: page.at(-1) };
}

function removeLetter(store: MemoryStore, partition: Partition, letter: DeadLetter): void {
  const letters = store.letters(partition);
  letters.splice(letters.indexOf(letter), 1);
}

/** The fields of a dead letter that moves from the dead letters of the log `log`; `undefined` where nothing was kept. */
function replayedFields(log: string, letter: DeadLetter): readonly Buffer[] | undefined {
  const { entry, index, original, fields } = letter;
  if (original !== undefined) return named([["data", Buffer.from(original)]], `${log}\n${entry}\n${index}`);
  const origin = fields.find(([name]) => name === originField)?.[1];
  const kept = fields.filter(([name]) => name !== originField);
  return kept.length === 0 ? undefined : named(kept, origin ?? `${log}\n${entry}`);
}

/** The fields of the copy of an entry of the log `log`. */
const copiedFields = (log: string, id: string, fields: readonly Buffer[] = []): readonly Buffer[] => [
  ...fields,
  Buffer.from(originField),
  Buffer.from(`${log}\n${id}`),
];

const named = (fields: readonly Field[], origin: string | Buffer): readonly Buffer[] => [
  ...fields.flatMap(([name, value]) => [Buffer.from(name), value]),
  Buffer.from(originField),
  Buffer.from(origin),
];
