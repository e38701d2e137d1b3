import { keys, outboxPrefix, type Partition } from "../partition.ts";
import type { Appended, Frame } from "../port.ts";
import type { MemoryStore } from "./store.ts";

/** Appends to a log of the twin in memory what another program's XADD would. */
export function appendFields(
  store: MemoryStore,
  partition: Partition,
  fields: Readonly<Record<string, string | number | Buffer>>,
): string {
  const flat = Object.entries(fields).flatMap(([name, value]) => [
    Buffer.from(name),
    Buffer.isBuffer(value) ? value : Buffer.from(String(value)),
  ]);
  return store.add(partition, flat);
}

/** Appends the next frame of a producer, by the rules of append.lua. */
export function appendFrame(store: MemoryStore, partition: Partition, frame: Frame): Appended {
  const { producer, incarnation, sequence } = frame;
  const name = `${keys.producers(partition)}\n${producer}`;
  const known = store.producers.get(name);
  if (known && incarnation < known.incarnation) return { kind: "superseded", incarnation: known.incarnation };
  const last = known && known.incarnation === incarnation ? known.sequence : -1;
  if (sequence <= last) return { kind: "duplicate" };
  if (sequence > last + 1) return { kind: "gap", last };
  const entry = appendFields(store, partition, fieldsOf(frame));
  store.producers.set(name, { incarnation, sequence, at: store.clock.now() });
  return { kind: "stored", entry };
}

/** Forgets producers that were silent, and no outbox. Returns how many. */
export function forgetSilent(store: MemoryStore, partition: Partition, silentMs: number): number {
  const prefix = `${keys.producers(partition)}\n`;
  const silent = [...store.producers].filter(
    ([name, { at }]) =>
      name.startsWith(prefix) && !name.startsWith(outboxPrefix, prefix.length) && store.clock.now() - at > silentMs,
  );
  for (const [name] of silent) store.producers.delete(name);
  return silent.length;
}

/** The fields of an entry that holds a frame. */
export const fieldsOf = ({ producer, incarnation, sequence, count, codec, minTime, maxTime, checksum, body }: Frame) => ({
  v: "1",
  pid: producer,
  inc: incarnation,
  fs: sequence,
  n: count,
  c: codec,
  t0: minTime,
  t1: maxTime,
  h: checksum,
  d: body,
});
