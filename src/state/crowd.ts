import { z } from "zod";

/** What is stored of a crowd. Times are milliseconds since the epoch; `null`: nothing came. */
export const crowdProgress = z.object({
  newest: z.number(),
  heard: z.number(),
  since: z.number(),
  least: z.number().nullable(),
  before: z.number().nullable(),
});
export type CrowdProgress = z.infer<typeof crowdProgress>;

/**
 * Producers that share one place, since they are too many for one each. It does not tell how far each of them is; but whoever was heard
 * within the last `idleMs` is at least as far as the least time that came within them. So a watermark that goes by a crowd may be later
 * than with a place for each, by twice `idleMs` at most, and is never too early.
 */
export class Crowd {
  readonly #idleMs: number;
  #newest = 0;
  #heard = 0;
  /** Two spans of `idleMs` cover the last one, wherever it begins: the one that began here, and the one before. */
  #since = 0;
  #least = Number.POSITIVE_INFINITY;
  #before = Number.POSITIVE_INFINITY;

  constructor(idleMs: number, progress?: CrowdProgress) {
    this.#idleMs = idleMs;
    if (!progress) return;
    this.#newest = progress.newest;
    this.#heard = progress.heard;
    this.#since = progress.since;
    this.#least = progress.least ?? Number.POSITIVE_INFINITY;
    this.#before = progress.before ?? Number.POSITIVE_INFINITY;
  }

  /** The newest time that came from any of them. */
  get newest(): number {
    return this.#newest;
  }

  add(time: number, storedAt: number): void {
    this.#turn(storedAt);
    if (time < this.#least) this.#least = time;
    if (time > this.#newest) this.#newest = time;
    if (storedAt > this.#heard) this.#heard = storedAt;
  }

  /** How far all of them are at least that were heard within `idleMs` before `now`; `Infinity` where none was. */
  least(now: number): number {
    if (this.#heard <= now - this.#idleMs) return Number.POSITIVE_INFINITY;
    this.#turn(now);
    return Math.min(this.#least, this.#before);
  }

  toProgress(): CrowdProgress {
    const least = finite(this.#least);
    return { newest: this.#newest, heard: this.#heard, since: this.#since, least, before: finite(this.#before) };
  }

  #turn(now: number): void {
    const lasted = now - this.#since;
    if (lasted < this.#idleMs) return;
    this.#before = lasted < 2 * this.#idleMs ? this.#least : Number.POSITIVE_INFINITY;
    this.#least = Number.POSITIVE_INFINITY;
    this.#since = now;
  }
}

const finite = (time: number): number | null => (Number.isFinite(time) ? time : null);
