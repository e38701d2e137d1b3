/** What the in-memory twin puts in a replay log: the same fields as the scripts of the Redis driver. */
import { originField } from "./origin.ts";
import type { DeadLetter } from "./port.ts";

type Field = readonly [name: string, value: Buffer];

/** The fields of a dead letter that moves from the dead letters of the log `log`; `undefined` where nothing was kept. */
export function replayedFields(log: string, letter: DeadLetter): readonly Buffer[] | undefined {
  const { entry, index, original, fields } = letter;
  if (original !== undefined) return named([["data", Buffer.from(original)]], `${log}\n${entry}\n${index}`);
  const origin = fields.find(([name]) => name === originField)?.[1];
  const kept = fields.filter(([name]) => name !== originField);
  return kept.length === 0 ? undefined : named(kept, origin ?? `${log}\n${entry}`);
}

/** The fields of the copy of an entry of the log `log`. */
export const copiedFields = (log: string, id: string, fields: readonly Buffer[] = []): readonly Buffer[] => [
  ...fields,
  Buffer.from(originField),
  Buffer.from(`${log}\n${id}`),
];

const named = (fields: readonly Field[], origin: string | Buffer): readonly Buffer[] => [
  ...fields.flatMap(([name, value]) => [Buffer.from(name), value]),
  Buffer.from(originField),
  Buffer.from(origin),
];
