/** The memory that the events of a producer may take until they are stored, in bytes. */
export class BufferLimit {
  readonly maxBytes: number;
  /** Of events that were accepted. */
  #held = 0;
  /** Of events whose callers wait to be accepted. */
  #waiting = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** What is held, as a share of what may be. */
  get share(): number {
    return this.#held / this.maxBytes;
  }

  /** One event fits in any case, when nothing else is held: it would never fit otherwise. */
  fits(bytes: number): boolean {
    return this.#held === 0 || this.#held + bytes <= this.maxBytes;
  }

  /** Whether so much more may wait. */
  mayWait(bytes: number): boolean {
    return this.#waiting + bytes <= this.maxBytes;
  }

  hold(bytes: number): void {
    this.#held += bytes;
  }

  free(bytes: number): void {
    this.#held -= bytes;
  }

  /** `bytes` is negative for those that wait no longer. */
  wait(bytes: number): void {
    this.#waiting += bytes;
  }
}
