import { z } from "zod";
import { Crowd, type CrowdProgress, crowdProgress } from "./crowd.ts";

/** What is stored of a watermark: how far each producer is (its newest event time, and when its newest entry was stored). */
export interface Progress {
  /** When the first entry was stored. */
  readonly began: number;
  /** When the newest entry was stored. */
  readonly newest: number;
  readonly mark: number;
  readonly producers: Readonly<Record<string, readonly [time: number, heard: number]>>;
  /** Those that have no place of their own. */
  readonly crowd?: CrowdProgress | undefined;
}

const progress = z.object({
  began: z.number(),
  newest: z.number(),
  mark: z.number(),
  producers: z.record(z.string(), z.tuple([z.number(), z.number()])),
  crowd: crowdProgress.optional(),
});

/** What is stored of a watermark; `undefined` where it is none, however it came there. */
export function parseProgress(json: string): Progress | undefined {
  try {
    return progress.safeParse(JSON.parse(json)).data;
  } catch {
    return undefined;
  }
}

/** Where an event comes from. Times are milliseconds since the epoch. */
export interface Arrival {
  readonly producer: string;
  readonly time: number;
  /** When its entry was stored. */
  readonly storedAt: number;
}

/** Further producers share one place: what is written with each commit stays small, some 50 bytes for each of these. */
const maxProducers = 64;

interface ProducerProgress {
  time: number;
  heard: number;
}

/**
 * Up to where the event time of a partition is complete. Producers send in the order of their own time, and side by side: so it is the
 * least of their newest times. It follows from the log alone, not from when it is read or in which portions:
 *
 *   a producer that was silent for `idleMs`, measured by when entries were stored, is not waited for
 *   until the log is `idleMs` old nothing is complete: producers may come that nobody has heard of yet
 *   an event's time counts no further than the moment it was stored: a clock that is ahead closes no windows
 *
 * Only when nothing has come from anybody for `idleMs` it goes on by the clock, from the newest time that was seen.
 */
export class Watermark {
  readonly #idleMs: number;
  readonly #producers = new Map<string, ProducerProgress>();
  #crowd: Crowd | undefined;
  /** `#newest`, when silent producers were last forgotten. */
  #swept = 0;
  #began: number | undefined;
  #newest = 0;
  #mark = 0;

  constructor(idleMs: number, progress?: Progress) {
    this.#idleMs = idleMs;
    if (!progress) return;
    this.#began = progress.began;
    this.#newest = progress.newest;
    this.#mark = progress.mark;
    for (const [producer, [time, heard]] of Object.entries(progress.producers)) this.#producers.set(producer, { time, heard });
    this.#crowd = progress.crowd && new Crowd(idleMs, progress.crowd);
  }

  /** Milliseconds since the epoch; 0 as long as nothing is complete. */
  get mark(): number {
    return this.#mark;
  }

  advance({ producer, time, storedAt }: Arrival): void {
    this.#began ??= storedAt;
    const place = this.#place(producer);
    const counts = Math.min(time, storedAt);
    const isNewer = storedAt > this.#newest;
    if (isNewer) this.#newest = storedAt;
    let held = false;
    if (place) {
      held = place.time <= this.#mark || this.#producers.size === 1;
      if (counts > place.time) place.time = counts;
      if (storedAt > place.heard) place.heard = storedAt;
    } else {
      this.#crowd ??= new Crowd(this.#idleMs);
      this.#crowd.add(counts, storedAt);
    }
    // The least can only have moved where this one was among the last, or others have been silent for too long by now.
    if (held || isNewer) this.#raise();
  }

  /** Where it would be at `now`, with nothing left to be read. */
  at(now: number): number {
    const idleFor = now - this.#newest - this.#idleMs;
    if (this.#began === undefined || idleFor < 0) return this.#mark;
    const newest = Math.max(this.#crowd?.newest ?? 0, ...[...this.#producers.values()].map(({ time }) => time));
    return Math.max(this.#mark, newest + idleFor);
  }

  /** Nothing is left to be read at `now`. */
  rest(now: number): void {
    this.#mark = this.at(now);
  }

  toProgress(): Progress | undefined {
    if (this.#began === undefined) return undefined;
    const producers = Object.fromEntries([...this.#producers].map(([name, { time, heard }]) => [name, [time, heard] as const]));
    const crowd = this.#crowd?.toProgress();
    return { began: this.#began, newest: this.#newest, mark: this.#mark, producers, ...(crowd && { crowd }) };
  }

  /** None for one that has to share. */
  #place(producer: string): ProducerProgress | undefined {
    const known = this.#producers.get(producer);
    if (known) return known;
    if (this.#producers.size >= maxProducers) this.#forgetSilent();
    if (this.#producers.size >= maxProducers) return undefined;
    const place = { time: 0, heard: 0 };
    this.#producers.set(producer, place);
    return place;
  }

  #forgetSilent(): void {
    if (this.#swept === this.#newest) return;
    this.#swept = this.#newest;
    for (const [name, { heard }] of this.#producers) if (this.#isSilent(heard)) this.#producers.delete(name);
  }

  #isSilent(heard: number): boolean {
    return heard <= this.#newest - this.#idleMs;
  }

  #raise(): void {
    if (this.#newest - (this.#began as number) < this.#idleMs) return;
    let least = this.#crowd?.least(this.#newest) ?? Number.POSITIVE_INFINITY;
    for (const { time, heard } of this.#producers.values()) if (!this.#isSilent(heard) && time < least) least = time;
    if (least > this.#mark && least !== Number.POSITIVE_INFINITY) this.#mark = least;
  }
}
