/** What the bodies of requests take of memory, as they came and inflated, until they are answered. */
export class BodyMemory {
  readonly #maxBytes: number;
  #held = 0;

  /** @param maxBytes what all of them may take */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** As a share of what they may take. */
  get share(): number {
    return this.#held / this.#maxBytes;
  }

  /** Counts what one request holds, until it is closed. */
  open(): { readonly hold: (bytes: number) => void; readonly close: () => void } {
    let own = 0;
    return {
      hold: (bytes) => {
        own += bytes;
        this.#held += bytes;
      },
      close: () => {
        this.#held -= own;
        own = 0;
      },
    };
  }
}
