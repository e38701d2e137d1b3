import { isBefore } from "../entry-id.ts";
import { announcedEvents, isFrame } from "../frame.ts";
import { deliveryLimits, type Entry, suspectsTogether } from "../port.ts";

interface Stored {
  readonly id: string;
  readonly fields: readonly Buffer[];
}

interface PendingEntry {
  deliveries: number;
  readonly events: number;
}

/** How far one group is with a log. */
export interface MemoryGroup {
  lastDelivered: string;
  /** What was given out and not acked. */
  readonly pending: Map<string, PendingEntry>;
  /** Entries that were given out, or were gone before the group began. */
  seen: number;
  /** Events in those that were given out; `undefined` where entries were gone before the group began. */
  seenEvents: number | undefined;
}

/** One log of the twin in memory: what a Redis stream is to the driver. */
export class MemoryLog {
  readonly #countsFrames: boolean;
  readonly #entries = new Map<string, Stored>();
  readonly #groups = new Map<string, MemoryGroup>();
  #added = 0;
  #addedEvents = 0;

  /** `countsFrames`: an entry counts for the events that it says it holds; else each counts as one. */
  constructor(countsFrames: boolean) {
    this.#countsFrames = countsFrames;
  }

  copy(): MemoryLog {
    const copy = new MemoryLog(this.#countsFrames);
    for (const [id, entry] of this.#entries) copy.#entries.set(id, entry);
    for (const [name, group] of this.#groups) {
      const pending = new Map([...group.pending].map(([id, given]) => [id, { ...given }] as const));
      copy.#groups.set(name, { ...group, pending });
    }
    copy.#added = this.#added;
    copy.#addedEvents = this.#addedEvents;
    return copy;
  }

  get ids(): readonly string[] {
    return [...this.#entries.keys()];
  }

  fieldsOf(id: string): readonly Buffer[] | undefined {
    return this.#entries.get(id)?.fields;
  }

  add(id: string, fields: readonly Buffer[]): void {
    this.#entries.set(id, { id, fields });
    this.#added++;
    this.#addedEvents += this.#eventsIn(fields);
  }

  remove(ids: readonly string[]): void {
    for (const id of ids) this.#entries.delete(id);
  }

  get groups(): ReadonlyMap<string, MemoryGroup> {
    return this.#groups;
  }

  group(name: string): MemoryGroup | undefined {
    return this.#groups.get(name);
  }

  /** Returns how many events it had been given and had not settled. */
  removeGroup(name: string): number {
    const given = [...(this.#groups.get(name)?.pending.values() ?? [])];
    this.#groups.delete(name);
    return given.reduce((sum, { events }) => sum + events, 0);
  }

  begin(name: string, checkpoint: string): MemoryGroup {
    const seen = this.#added - this.#after(checkpoint).length;
    const group: MemoryGroup = { lastDelivered: checkpoint, pending: new Map(), seen, seenEvents: seen === 0 ? 0 : undefined };
    this.#groups.set(name, group);
    return group;
  }

  readNew(group: MemoryGroup, count: number): readonly Entry[] {
    const entries = this.#after(group.lastDelivered)
      .slice(0, count)
      .map((id) => this.#give(group, id));
    group.lastDelivered = entries.at(-1)?.id ?? group.lastDelivered;
    group.seen += entries.length;
    if (group.seenEvents !== undefined) group.seenEvents += entries.reduce((sum, { events }) => sum + events, 0);
    return entries;
  }

  /** `undefined`: suspects are next, and none may be given out. */
  readPending(
    group: MemoryGroup,
    { after, count, suspects }: { readonly after: string; readonly count: number; readonly suspects: number },
  ): readonly Entry[] | undefined {
    const next = inOrder([...group.pending.keys()])
      .filter((id) => isBefore(after, id))
      .map((id) => ({ id, times: (group.pending.get(id)?.deliveries ?? 0) + 1 }));
    const isSuspect = ({ times }: { readonly times: number }) => times >= deliveryLimits.suspect;
    if (next[0] === undefined || !isSuspect(next[0])) {
      const first = next.findIndex(isSuspect);
      return next.slice(0, first === -1 ? count : Math.min(count, first)).map(({ id }) => this.#give(group, id));
    }
    if (suspects === 0) return undefined;
    let limit = suspects;
    const together = next.findIndex((one, place) => {
      if (isSuspect(one)) limit = Math.min(limit, suspectsTogether(suspects, one.times));
      return place + 1 > limit;
    });
    return next.slice(0, together === -1 ? suspects : together).map(({ id }) => this.#give(group, id));
  }

  nack(group: MemoryGroup, ids: readonly string[]): void {
    for (const id of ids) {
      const given = group.pending.get(id);
      if (given && this.#entries.has(id)) given.deliveries = Math.max(0, given.deliveries - 1);
    }
  }

  lag(group: MemoryGroup | undefined): number {
    return this.#after(group?.lastDelivered ?? "0-0").length;
  }

  oldest(group: MemoryGroup | undefined): string | undefined {
    return inOrder([...(group?.pending.keys() ?? [])])[0] ?? this.#after(group?.lastDelivered ?? "0-0")[0];
  }

  lost(group: MemoryGroup | undefined): { readonly entries: number; readonly events: number } {
    if (!group) return { entries: 0, events: 0 };
    const entries = this.#added - group.seen - this.lag(group);
    const { seenEvents } = group;
    return { entries, events: this.lag(group) === 0 && seenEvents !== undefined ? this.#addedEvents - seenEvents : entries };
  }

  #give(group: MemoryGroup, id: string): Entry {
    const fields = this.fieldsOf(id);
    const given = group.pending.get(id) ?? { deliveries: 0, events: this.#eventsIn(fields) };
    const deliveries = given.deliveries + 1;
    // Redis counts no delivery of what is gone.
    if (fields) given.deliveries = deliveries;
    group.pending.set(id, given);
    return { id, fields, deliveries, events: given.events };
  }

  #eventsIn(fields: readonly Buffer[] | undefined): number {
    return this.#countsFrames ? eventsIn(fields) : 1;
  }

  #after(position: string): readonly string[] {
    return this.ids.filter((id) => isBefore(position, id));
  }
}

/** How many events an entry says it holds. */
export const eventsIn = (fields: readonly Buffer[] | undefined): number =>
  fields && isFrame(fields) ? announcedEvents(fields[9]) : 1;

const inOrder = (ids: readonly string[]): readonly string[] => [...ids].sort((a, b) => (isBefore(a, b) ? -1 : 1));
