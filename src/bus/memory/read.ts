import type { Fence, ReadRequest, ReadResult } from "../port.ts";
import { dismiss, leaseStatus } from "./lease.ts";
import { increase, type MemoryStore } from "./store.ts";

/** Reads a log of the twin in memory, by the rules of read.lua. */
export function readLog(store: MemoryStore, fence: Fence, request: ReadRequest): ReadResult {
  const { from, after, count, suspects = 0, known = { commits: 0, reads: 0 } } = request;
  const { partition, pipeline } = fence;
  const status = leaseStatus(store, fence, known);
  if (status.kind !== "held") return status;
  const lease = store.lease(partition, pipeline);
  if (store.unsettled.delete(partition.log)) {
    // The group is made anew, and what was given out will be read again: whoever has it in hand has to begin anew too.
    dismiss(lease);
    return { kind: "fenced" };
  }
  const group = store.group(partition, pipeline);
  const log = store.log(partition);
  if (from === "pending") {
    const pending = log.readPending(group, { after, count, suspects });
    return pending ? { kind: "entries", entries: pending, reads: lease.reads } : { kind: "suspects" };
  }
  const entries = log.readNew(group, count);
  if (entries.length > 0) lease.reads++;
  const events = entries.reduce((sum, entry) => sum + entry.events, 0);
  if (events > 0) increase(store.dataOf(partition, pipeline).counts, "read", events);
  return { kind: "entries", entries, reads: lease.reads };
}
