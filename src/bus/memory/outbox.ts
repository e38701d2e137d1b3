/** Outboxes of the twin in memory: commits fill them, and their frames go from there to their logs. */
import { isBefore } from "../entry-id.ts";
import { keys, outboxProducer } from "../partition.ts";
import type { DerivedFrame, Fence, FrameLink, OutboxEntry, Relayed, RelayedFrame } from "../port.ts";
import { appendFields, fieldsOf } from "./append.ts";
import { holds } from "./lease.ts";
import { type GroupData, increase, type MemoryStore } from "./store.ts";

/** Puts what a commit derives in the outbox, numbered for each log. */
export function addDerived(store: MemoryStore, fence: Fence, derived: readonly DerivedFrame[]): void {
  const { partition, pipeline } = fence;
  const data = store.dataOf(partition, pipeline);
  for (const { to, frame } of derived) {
    const last = data.lastFrames.get(to.log);
    const [incarnation, sequence, sum] = [fence.tenure, last ? last.sequence + 1 : 0, last?.sum ?? 0];
    data.lastFrames.set(to.log, { incarnation, sequence, sum: sum + frame.count, by: 0 });
    const numbered = { ...frame, producer: outboxProducer(partition, pipeline), incarnation, sequence };
    data.outbox.push({ id: store.nextId(), to, frame: numbered, after: last && linkOf(last), sum });
  }
}

/** The oldest frames of an outbox. */
export const outboxPage = (
  { outbox }: GroupData,
  { after = "0-0", count }: { readonly after?: string; readonly count: number },
): readonly OutboxEntry[] => outbox.filter(({ id }) => isBefore(after, id)).slice(0, count);

/** Stores a frame of an outbox in its log, by the rules of relay.lua. */
export function relayFrame(
  store: MemoryStore,
  { to, frame, after, sum, without, strays, tenure, instead }: RelayedFrame,
): Relayed {
  const name = `${keys.producers(to)}\n${frame.producer}`;
  const last = store.relayed.get(name);
  if (isSame(last, linkOf(frame))) return { kind: "duplicate" };
  const known = store.straysIn(to, frame.producer).size === strays;
  if (!isSame(last, after)) {
    if (Math.max(last?.by ?? 0, last?.incarnation ?? 0) > tenure) return { kind: "superseded" };
    if (!known || !instead || !isSame(last, instead.last)) return unlinked();
    increase(store.vanished, keys.meta(to), instead.vanished);
  } else if (!known) return unlinked();
  const by = isSame(last, after) ? (last?.by ?? 0) : tenure;
  if (frame.count > 0) appendFields(store, to, fieldsOf(frame));
  store.relayed.set(name, { ...linkOf(frame), sum: sum + frame.count + without, by });
  return { kind: "stored" };

  function unlinked(): Relayed {
    return { kind: "unlinked", last: last && { ...linkOf(last), sum: last.sum } };
  }
}

/** Takes frames off an outbox that are in their logs, by the rules of relayed.lua. */
export function removeRelayed(
  store: MemoryStore,
  { fence, commits }: { readonly fence: Fence; readonly commits: number },
  ids: readonly string[],
): boolean {
  const { partition, pipeline } = fence;
  if (!holds(store, fence) || store.lease(partition, pipeline).commits < commits) return false;
  const { outbox } = store.dataOf(partition, pipeline);
  for (const id of ids) {
    const place = outbox.findIndex((entry) => entry.id === id);
    if (place >= 0) outbox.splice(place, 1);
  }
  return true;
}

const linkOf = ({ incarnation, sequence }: FrameLink): FrameLink => ({ incarnation, sequence });

const isSame = (one: FrameLink | undefined, other: FrameLink | undefined): boolean =>
  one?.incarnation === other?.incarnation && one?.sequence === other?.sequence;
